"""Every format of other tools that is read as a recipe. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.recipe_readers import llm_compressor, quantize_config

READERS = (llm_compressor, quantize_config)


def ours(data: Any) -> Any:
    """`data`, what a recipe's file holds, as a recipe of ours; what no reader recognises stays as it is.

    Raises RecipeError where a tool's recipe asks for what has no counterpart here.
    """
    if not isinstance(data, Mapping) or "steps" in data:
        return data
    for reader in READERS:
        if reader.recognised(data):
            return {"steps": reader.steps(data)}
    return data
