"""What the blocks of a model put out while it computes, without changing the model."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from optlab.models.language_model import LanguageModel


class Outputs:
    """Keeps the outputs [B, T, D] of all blocks of the last pass, in order, until `close`."""

    def __init__(self, model: LanguageModel) -> None:
        self.found: dict[int, Tensor] = {}
        self.handles = [
            block.register_forward_hook(self._hook(number)) for number, (_, block) in enumerate(model.blocks())
        ]

    def _hook(self, number: int) -> Any:
        def keep(module: nn.Module, args: Any, out: Any) -> None:
            self.found[number] = out[0] if isinstance(out, tuple) else out

        return keep

    def states(self) -> list[Tensor]:
        """Of the last pass, first block first, as float32; they are forgotten here."""
        states = [self.found[number].float() for number in sorted(self.found)]
        self.found = {}
        return states

    def close(self) -> None:
        """Listen no longer."""
        for handle in self.handles:
            handle.remove()
