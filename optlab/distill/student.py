"""Students made from their teacher: fewer blocks, each a copy of one of the teacher's, so that training starts warm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optlab.errors import RecipeError

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

BLOCK_COUNT_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


def evenly_spaced(blocks: int, keep: int) -> list[int]:
    """`keep` of `blocks` indices in order, first and last included when keep > 1 (as DistilBERT, arXiv 1910.01108).

    Raises RecipeError when there are fewer blocks than asked for.
    """
    if not 1 <= keep <= blocks:
        raise RecipeError(f"a student of {keep} blocks cannot be made from {blocks}; use 1 to {blocks}")
    if keep == 1:
        return [0]
    return [round(i * (blocks - 1) / (keep - 1)) for i in range(keep)]


def keep_blocks(model: LanguageModel, indices: list[int]) -> None:
    """Keep only the blocks `indices` of `model`, in place, in that order; its config says the new depth.

    Raises RecipeError when the model's config does not state its depth in a way we know.
    """
    from torch import nn

    blocks = model.blocks()
    container_name = blocks[0][0].rpartition(".")[0]
    keys = [key for key in BLOCK_COUNT_KEYS if key in model.config]
    if not keys:
        raise RecipeError(f"{model.name} does not say how many blocks it has, so none can be left out")
    kept = [blocks[i][1] for i in indices]
    model.replace_module(container_name, nn.ModuleList(kept))
    for number, block in enumerate(kept):
        for module in block.modules():
            for attribute in ("layer_idx", "block"):
                if isinstance(getattr(module, attribute, None), int):
                    setattr(module, attribute, number)
    for key in keys:
        model.config[key] = len(kept)
    own = getattr(model.module, "config", None)
    if own is not None:
        if hasattr(own, "blocks"):
            model.module.config = replace(own, blocks=len(kept))
        else:
            setattr(own, keys[0], len(kept))
