"""config.json of a model in hub layout: the edge at which OptLab meets JSON that it did not define.

It holds whatever its author put there. `Config` (of our Transformer) and `Description` are what the other rooms read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from optlab.errors import ModelError

HubConfig = dict[str, Any]


class ImpossibleConfigError(ModelError):
    """What config.json says contradicts itself, so that no program can compute it."""


COUNTS = (
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_local_experts", "num_experts",
    "n_routed_experts",
)  # fmt: skip
"""How many blocks and experts a model has, by the names that families use."""
SIZES = (
    "hidden_size", "n_embd", "d_model", "dim", "intermediate_size", "vocab_size", "head_dim", "num_attention_heads",
    "n_head", "n_heads", "num_key_value_heads",
)  # fmt: skip
"""Sizes that no model has without as many weights."""
FEWEST = 1000
"""So many are believed of any checkpoint: blocks may share their weights, experts lie in one tensor."""
LARGEST = 2**63
"""Whole numbers reach tensors and floats, and a larger one fits into neither."""


def check_sizes(config: HubConfig, tensors: int, numbers: int) -> None:
    """Raises ModelError when `config` cannot belong to a checkpoint of so many tensors and numbers: a skeleton of
    what it asks for would not fit into memory. Also when it holds NaN, which computes nothing, or a number that no
    program takes."""
    for key, value in _leaves(config):
        if isinstance(value, int) and abs(value) >= LARGEST:
            raise ModelError(
                "config.json says that {key} is a whole number of {digits} digits, which no program takes",
                key=key,
                digits=len(str(abs(value))),
            )
        if isinstance(value, float) and math.isnan(value):
            raise ModelError("config.json says that {key} is NaN, so nothing computed with it is a number", key=key)
    for keys, most in ((COUNTS, max(FEWEST, tensors)), (SIZES, max(FEWEST, numbers))):
        for key in keys:
            value = config.get(key)
            if isinstance(value, (int, float)) and value > most:
                raise ModelError(
                    "config.json says that {key} is {value}, but its checkpoint holds {tensors} tensors of {numbers} "
                    "numbers in all; they do not belong together",
                    key=key,
                    value=value,
                    tensors=tensors,
                    numbers=numbers,
                )


def _leaves(config: HubConfig) -> Iterator[tuple[str, Any]]:
    """(key, value) of everything that is neither object nor list, at any depth."""
    inside: list[tuple[str, Any]] = list(config.items())
    while inside:
        key, value = inside.pop()
        if isinstance(value, dict):
            inside += value.items()
        elif isinstance(value, list):
            inside += ((key, one) for one in value)
        else:
            yield key, value


def whole(value: Any) -> int:
    """Raises ValueError unless `value` is a whole number: transformers takes no "4" and no 4.0 either."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def real(value: Any) -> float:
    """Raises ValueError unless `value` is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def flag(value: Any) -> bool:
    """Raises ValueError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value
