"""A model of which one block at a time is in memory, as `LanguageModel`s that methods work on as on any other.

What a method gets is a whole model: all other blocks let states pass, and the embedding is a table of the states that
this block reads, so that token number i is the i-th state. Everything that finds layers, watches a forward pass or
walks through blocks then does so without knowing.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from optlab.errors import ModelError
from optlab.models.catalog import resolve
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import describe
from optlab.models.families import objective_of, skeleton
from optlab.models.language_model import LanguageModel
from optlab.models.soundness import fitting_tokenizer
from optlab.models.structure import Structure, analyse
from optlab.models.transformer import Transformer
from optlab.progress import Progress, silent
from optlab.streaming.source import Source


class Passing(nn.Module):
    """A block that is not there: states pass as they are."""

    def forward(self, x: Tensor, *_: object) -> Tensor:
        """x."""
        return x


class Blockwise:
    """`whole`: the model without weights (on the meta device). Made from a model's name."""

    def __init__(self, name: str, progress: Progress = silent) -> None:
        """Raises ModelError when there is no such model, or transformers computes it, whose blocks need each other."""
        folder = Path(resolve(name))
        checkpoint = open_checkpoint(folder)
        module = skeleton(checkpoint.config)
        if not isinstance(module, Transformer):
            raise ModelError(
                "{name} is computed by a class of transformers, which is not read block by block; it needs "
                "{gigabytes:.1f} GB of memory",
                name=name,
                gigabytes=3 * 4 * sum(parameter.numel() for parameter in module.parameters()) / 1e9,
            )
        description = describe(name, progress)
        structure = analyse(module)
        self.source = Source(checkpoint)
        self.whole = LanguageModel(
            name=name,
            family=description.family,
            objective=objective_of(checkpoint.config),
            module=module,
            tokenizer=fitting_tokenizer(checkpoint, module, structure),
            config=checkpoint.config,
            folder=folder,
            fingerprint=description.fingerprint,
            description=description,
            structure=structure,
        )

    @property
    def module(self) -> Transformer:
        """Without weights."""
        assert isinstance(self.whole.module, Transformer)
        return self.whole.module

    def block(self, number: int) -> nn.Module:
        """Block `number` with its weights, float32."""
        prefix = self.whole.structure.blocks[number]
        return self._with_weights(deepcopy(self.module.blocks[number]), prefix, torch.float32)

    def around(self, number: int, block: nn.Module, states: Tensor) -> LanguageModel:
        """A model in which only block `number` computes. states: what it reads, [tokens, width], float32."""
        module = self._passing(torch.float32)
        module.model.layers[number] = block
        module.config = replace(module.config, learned_positions=False, embedding_scale=1.0)
        module.model.embed_tokens = nn.Embedding.from_pretrained(states, freeze=False)
        module.lm_head = nn.Linear(states.shape[1], len(states), bias=False)
        module.lm_head.weight = module.model.embed_tokens.weight
        if self.module.config.learned_positions:
            delattr(module.model, module.names.get("embed_positions", "embed_positions"))
        return replace(self.whole, module=module.eval(), structure=_of_block(self.whole.structure, number))

    def hollow(self) -> LanguageModel:
        """A model on the processor that nothing passes through, to ask how texts are read there."""
        width = self.module.config.width
        return self.around(0, Passing(), torch.zeros(1, width))

    def ends(self, dtype: torch.dtype) -> LanguageModel:
        """The model with embedding, last norm and head, in `dtype`, whose blocks let states pass."""
        module = self._passing(dtype)
        for part in (module.model.embed_tokens, module.lm_head, *self._positions(module)):
            self._with_weights(part, self._name(module, part), dtype)
        module.tie()
        return replace(self.whole, module=module.eval())

    def _passing(self, dtype: torch.dtype) -> Transformer:
        module = skeleton(self.whole.config)
        assert isinstance(module, Transformer)
        for number in range(len(module.model.layers)):
            module.model.layers[number] = Passing()
        self._with_weights(module.model.norm, self._name(module, module.model.norm), dtype)
        return module

    def _positions(self, module: Transformer) -> list[nn.Module]:
        return [module.model.embed_positions] if module.config.learned_positions else []

    def _name(self, module: nn.Module, part: nn.Module) -> str:
        return next(name for name, one in module.named_modules() if one is part)

    def _with_weights(self, part: nn.Module, prefix: str, dtype: torch.dtype) -> nn.Module:
        """`part`, called `prefix` in the model, filled in place."""
        tied = self.module.config.tied and prefix == self.whole.structure.head
        names = [] if tied else [name for name, _ in part.named_parameters()]
        weights = {name: self.source.read(f"{prefix}.{name}", dtype) for name in names}
        part.load_state_dict(weights, strict=False, assign=True)
        return part.eval().requires_grad_(True)


def _of_block(structure: Structure, number: int) -> Structure:
    """What is left of `structure` where one block is there."""
    here = {name: kind for name, kind in structure.kinds.items() if structure.block_of(name) in (number, None)}
    return replace(structure, kinds=here, linears=tuple(name for name in structure.linears if name in here))
