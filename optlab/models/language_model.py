"""One handle on any language model: its logits, its weights by hub name, its blocks, whatever class is inside.

Everything above this room changes and runs models through this class only, so that a method written for linear layers
works on a GPT-2 (whose weights are stored transposed) or a BERT without knowing it.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from optlab.errors import ModelError
from optlab.framing import BosRule, Framing
from optlab.models.hub_config import HubConfig
from optlab.models.structure import Structure, is_linear, linear_weight
from optlab.models.tokenizer import Tokenizer
from optlab.models.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optlab.models.describe import Description


@dataclass
class LanguageModel:
    """A model in eval mode with its tokenizer. `structure` is that of the model as it was loaded.

    objective: "causal" or "masked". config: the hub's config.json, kept in step by methods that change shapes.
    """

    name: str
    family: str
    objective: str
    module: nn.Module
    tokenizer: Tokenizer
    config: HubConfig
    folder: Path
    fingerprint: str
    description: Description
    structure: Structure = field(repr=False)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the embedding, which is that of the hidden states."""
        return self.weight(self.structure.embedding).dtype

    @property
    def device(self) -> torch.device:
        return self.weight(self.structure.embedding).device

    def logits(self, ids: Tensor) -> Tensor:
        """Logits [B, T, V] of token ids [B, T] (long), in the model's dtype; position t predicts token t + 1 of a
        causal model, token t of a masked one. Gradients are recorded; measure under torch.inference_mode()."""
        if isinstance(self.module, Transformer):
            return self.module(ids)
        found: Tensor = self.module(input_ids=ids).logits
        return found

    def hidden(self, ids: Tensor) -> Tensor:
        """What the head reads: hidden states [B, T, D] after the last block and the final norm, if there is one."""
        if isinstance(self.module, Transformer):
            return self.module.hidden(ids)
        found: Tensor = self._body()(input_ids=ids).last_hidden_state
        return found

    def head(self, hidden: Tensor) -> Tensor:
        """Logits [B, T, V] of hidden states [B, T, D]; head(hidden(ids)) == logits(ids)."""
        if isinstance(self.module, Transformer):
            return self.module.head(hidden)
        # Classes differ in what they do between body and logits (a transform, a scale, a soft cap). Running the class's
        # own forward on a body that answers with `hidden` gets all of them right.
        with _answering(self._body(), hidden):
            ids = torch.zeros(hidden.shape[:2], dtype=torch.long, device=hidden.device)
            found: Tensor = self.module(input_ids=ids).logits
        return found

    def framing(self, bos: BosRule = "auto") -> Framing:
        """What stands around every window of a text that this model reads. Raises TextError when `always` is asked
        of a model without a BOS token."""
        return self.tokenizer.framing(self.objective, bos)

    def _body(self) -> nn.Module:
        return self.module.get_submodule(self.structure.body)

    def linear_names(self) -> list[str]:
        """Names of the linear layers of the blocks, without ".weight", in order; those that are still there."""
        return [name for name in self.structure.linears if self._has(name)]

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """(name, module) of the decoder blocks, in order of computation."""
        container = self.structure.blocks[0].rpartition(".")[0]
        return [(f"{container}.{i}", block) for i, block in enumerate(self.module.get_submodule(container).children())]

    def module_named(self, name: str) -> nn.Module:
        """The module with a hub name. Raises ModelError when there is none."""
        try:
            return self.module.get_submodule(name)
        except AttributeError:
            example = self.structure.linears[0]
            raise ModelError(
                "{name} has no layer {name_2!r}; names look like {example!r}",
                name=self.name,
                name_2=name,
                example=example,
            ) from None

    def replace_module(self, name: str, module: nn.Module) -> None:
        """Put `module` in the place of the module with a hub name."""
        self.module_named(name)
        parent, _, leaf = name.rpartition(".")
        setattr(self.module.get_submodule(parent), leaf, module)

    def weight(self, name: str) -> Tensor:
        """The weight of a linear layer, embedding or head as [out, in]: a detached view, so writing in place changes
        the model. Raises ModelError when the layer has no weight matrix."""
        module = self.module_named(name)
        if not (is_linear(module) or isinstance(module, nn.Embedding)):
            raise ModelError(
                "{name} is a {name_2}, not a layer with a weight matrix",
                name=name,
                name_2=type(module).__name__,
            )
        return linear_weight(module).detach()

    def set_weight(self, name: str, W: Tensor) -> None:
        """Overwrite the weight of a layer with W [out, in], cast to the model's dtype. A tied head changes with the
        embedding. Raises ValueError when the shape differs."""
        weight = self.weight(name)
        if weight.shape != W.shape:
            raise ValueError(f"{name} has shape {tuple(weight.shape)}, not {tuple(W.shape)}")
        weight.copy_(W.detach())

    def clone(self) -> LanguageModel:
        """A copy with weights of its own; tokenizer and description are shared, because nobody changes them."""
        return self._with(copy.deepcopy(self.module))

    def to(self, dtype: str | torch.dtype | None = None, device: str | torch.device | None = None) -> LanguageModel:
        """The model in another dtype or on another device: itself when nothing changes, else a copy (as Tensor.to).

        Only parameters change their dtype: rotary frequencies stay float32, in which they were computed.
        """
        from optlab.models.device import choose_device, choose_dtype

        new_device = self.device if device is None else choose_device(str(device))
        new_dtype = self.dtype if dtype is None else choose_dtype(dtype, new_device)
        if new_dtype == self.dtype and new_device == self.device:
            return self
        changed = self.clone()
        cast_parameters(changed.module, new_dtype)
        changed.module.to(new_device)
        return changed

    def _with(self, module: nn.Module) -> LanguageModel:
        return LanguageModel(
            self.name, self.family, self.objective, module, self.tokenizer, copy.deepcopy(self.config), self.folder,
            self.fingerprint, self.description, self.structure,
        )  # fmt: skip

    def _has(self, name: str) -> bool:
        try:
            self.module.get_submodule(name)
        except AttributeError:
            return False
        return True


def cast_parameters(module: nn.Module, dtype: torch.dtype) -> None:
    """Give every floating-point parameter a dtype, in place; tied parameters stay tied, buffers stay as they are."""
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


@contextmanager
def _answering(body: nn.Module, hidden: Tensor) -> Iterator[None]:
    """While open, calling `body` returns `hidden`, whatever its arguments."""
    from transformers.modeling_outputs import BaseModelOutput

    class Answer(BaseModelOutput):
        """Hidden states, and nothing of what families add to them (a cache, router logits, a state)."""

        def __getattr__(self, name: str) -> None:
            if name.startswith("_"):
                raise AttributeError(name)

    def forward(*_: object, **__: object) -> Answer:
        return Answer(last_hidden_state=hidden)

    body.forward = forward
    try:
        yield
    finally:
        del body.forward
