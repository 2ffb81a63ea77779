"""Keys and values of a text: how many bytes they take, from `config.json` and the recipe's cache step.

Every block keeps, of every earlier token, one key and one value of `head_dim` numbers for each of its key-value heads;
a block with a sliding window keeps those of its window. Rounded ones are codes with a step and a lowest number in
float16 for each range (`optlab.models.key_values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optlab.errors import ModelError
from optlab.models.config import Config
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step

EXACT_BITS = 16
RANGE_BYTES = 4
"""A step and a lowest number in float16."""
FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Block:
    """What one block keeps of a token. window: of how many tokens at most; None: of all."""

    kv_heads: int
    head_dim: int
    window: int | None = None

    def nbytes(self, tokens: int, rounded: Step | None = None) -> int:
        """Of a text of so many tokens. rounded: the step that keeps keys and values with few bits."""
        tokens = tokens if self.window is None else min(tokens, self.window)
        if rounded is None:
            return 2 * self.kv_heads * self.head_dim * tokens * EXACT_BITS // 8
        values = rounded.values
        bits, group = int(values["bits"] or 0), int(values["group"] or 1)
        full = tokens if values["keys"] == "token" else tokens // group * group
        codes = 2 * full * self.head_dim * bits / 8
        ranges = full * RANGE_BYTES  # of the values: each token's
        ranges += full * RANGE_BYTES if values["keys"] == "token" else full // group * self.head_dim * RANGE_BYTES
        exact = 2 * (tokens - full) * self.head_dim * EXACT_BITS // 8
        return self.kv_heads * (-int(-codes // 1) + ranges + exact)


def blocks_of(config: Mapping[str, Any], objective: str) -> list[Block]:
    """What each block of the model with this `config.json` keeps; nothing of one that reads all words at once.

    Raises ModelError where the config does not say so: recurrent models keep something else.
    """
    if objective != "causal":
        return []
    try:
        own = Config.from_hub(config)
    except ModelError:
        return _as_the_hub_says(config)
    return [Block(own.kv_heads, own.head_dim, own.window(number)) for number in range(own.blocks)]


def cache_bytes(blocks: list[Block], description: Description, recipe: Recipe, tokens: int) -> int:
    """Of all blocks, after `tokens` tokens of one text."""
    step = next((one for one in reversed(recipe.steps) if one.kind == "cache"), None)
    total = 0
    for number, block in enumerate(blocks):
        named = (layer.name for layer in description.layers if layer.block == number)
        rounds = step is not None and (step.layers is None or any(step.matches(name) for name in named))
        total += block.nbytes(tokens, step if rounds else None)
    return total


def _as_the_hub_says(config: Mapping[str, Any]) -> list[Block]:
    """Of the families that transformers computes, whose keys have the usual names."""
    said = config.get("text_config") or config
    try:
        count, heads = int(said["num_hidden_layers"]), int(said["num_attention_heads"])
        kv_heads = int(said.get("num_key_value_heads") or heads)
        head_dim = int(said.get("head_dim") or int(said["hidden_size"]) // heads)
        kinds = list(said.get("layer_types") or [FULL] * count)
        window = int(said.get("sliding_window") or 0) or None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        kinds, count = [], -1
    if len(kinds) != count or set(kinds) - {FULL, SLIDING} or "kv_lora_rank" in said:
        raise ModelError("config.json does not say how many keys and values the model keeps of each token")
    return [Block(kv_heads, head_dim, window if kind == SLIDING else None) for kind in kinds]
