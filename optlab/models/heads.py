"""Where the attention heads of a model are: which columns of which layers belong to which of them, in any family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.errors import RecipeError

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

COUNT_KEYS = ("num_attention_heads", "n_head", "n_heads")


@dataclass(frozen=True)
class Heads:
    """count: heads of a block; size: numbers that a head gives; shared: heads that read the same keys and values.

    outputs: the layer of each block that reads what its heads give; head h of a block is its columns h * size to
    (h + 1) * size.
    """

    count: int
    size: int
    shared: int
    outputs: tuple[str, ...]


def heads_of(model: LanguageModel) -> Heads:
    """The heads of `model`. Raises RecipeError when its config does not count them or its blocks differ."""
    kinds = model.structure.kinds
    outputs = tuple(name for name in model.linear_names() if kinds[name] == "attention.o")
    count = next((int(model.config[key]) for key in COUNT_KEYS if key in model.config), 0)
    widths = {model.weight(name).shape[1] for name in outputs}
    if len(outputs) != len(model.blocks()) or len(widths) != 1 or count < 1 or min(widths) % count:
        raise RecipeError("the attention heads of {name} cannot be told apart, so none can be chosen", name=model.name)
    keys = int(model.config.get("num_key_value_heads") or count)
    return Heads(count, min(widths) // count, max(1, count // keys), outputs)
