"""What the blocks of a model put out while it computes, without changing the model."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from optlab.models.language_model import LanguageModel


class Listener:
    """Keeps one tensor of each block of the last pass, in order, until `close`; a subclass says which and where."""

    def __init__(self, model: LanguageModel) -> None:
        self._heard: dict[int, Tensor] = {}
        self._handles = [
            self.place(model, block).register_forward_hook(self._hook(number))
            for number, (_, block) in enumerate(model.blocks())
        ]

    def place(self, model: LanguageModel, block: nn.Module) -> nn.Module:
        """The part of `block` to listen to; may raise OptLabError where there is none."""
        raise NotImplementedError

    def heard(self, module: nn.Module, inputs: tuple[Any, ...], out: Any) -> Tensor:
        """What to keep of one call of that part."""
        raise NotImplementedError

    def _hook(self, number: int) -> Any:
        def keep(module: nn.Module, inputs: tuple[Any, ...], out: Any) -> None:
            self._heard[number] = self.heard(module, inputs, out)

        return keep

    def states(self) -> list[Tensor]:
        """Of the last pass, first block first, as float32; they are forgotten here."""
        states = [self._heard[number].float() for number in sorted(self._heard)]
        self._heard = {}
        return states

    def close(self) -> None:
        """Listen no longer."""
        for handle in self._handles:
            handle.remove()


class Outputs(Listener):
    """What each block puts out, [B, T, D]."""

    def place(self, model: LanguageModel, block: nn.Module) -> nn.Module:
        return block

    def heard(self, module: nn.Module, inputs: tuple[Any, ...], out: Any) -> Tensor:
        states: Tensor = out[0] if isinstance(out, tuple) else out
        return states
