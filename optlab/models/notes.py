"""What must be said beside a model's curves when its weights were not floats to begin with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optlab.models.gguf.file import FLOAT_TYPES


def note_of(storage: Mapping[str, Any] | None) -> str | None:
    """The sentence for a checkpoint that was stored as `storage` (see GGUFFile.storage); None for a float one."""
    if not storage:
        return None
    shares = storage.get("types") or {storage.get("format"): 1.0}
    if all(kind in FLOAT_TYPES for kind in shares):
        return None
    kind, bits, block = storage["format"], storage["bits"], storage["block"]
    if len(shares) > 1:
        each = ", ".join(f"{100 * share:.0f} % {kind}" for kind, share in shares.items())
        mean = storage["mean_bits"]
        return (
            f"Its linear weights were already stored in several formats ({each} of their bytes): {mean} bits each on "
            f"average; curves at {math.floor(mean)} bits and above look better than they would on a float model."
        )
    if kind in ("Q4_1", "Q5_1"):
        return (
            f"Its linear weights were already stored as {kind}: {bits} bits in blocks of {block}, so quantizing to "
            f"{bits} bits in groups of {block} (with a float zero point) loses nothing by construction; curves at "
            f"{bits} bits and above look better than they would on a float model."
        )
    return (
        f"Its linear weights were already stored as {kind}: {bits} bits in blocks of {block}; curves at {bits} bits "
        "and above look better than they would on a float model."
    )


def note_for(config: Mapping[str, Any], storage: Mapping[str, Any] | None) -> str | None:
    """The note of a checkpoint, from what its conversion recorded or what its config.json says about itself."""
    noted = note_of(storage)
    how = config.get("quantization_config")
    if noted is None and isinstance(how, Mapping):
        kind = how.get("quant_method", "an unnamed method")
        return (
            f"Its config.json says that it was quantized with {kind}, though its weights are stored as floats; its "
            "curves may look better than those of a float model."
        )
    return noted
