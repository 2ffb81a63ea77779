"""What must be said beside a model's curves when its weights were not floats to begin with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optlab.messages import Joined, say
from optlab.models.gguf.file import FLOAT_TYPES


def note_of(storage: Mapping[str, Any] | None) -> str | None:
    """The sentence for a checkpoint that was stored as `storage` (see GGUFFile.storage); None for a float one."""
    if not storage:
        return None
    if "tool" in storage:
        return _note_of_packed(storage)
    shares = storage.get("types") or {storage.get("format"): 1.0}
    if all(kind in FLOAT_TYPES for kind in shares):
        return None
    kind, bits, block = storage["format"], storage["bits"], storage["block"]
    if len(shares) > 1:
        mean = storage["mean_bits"]
        return say(
            "Its linear weights were already stored in several formats ({shares} of their bytes): {mean} bits each on "
            "average; curves at {whole} bits and above look better than they would on a float model.",
            shares=Joined(", ", [f"{100 * share:.0f}% {name}" for name, share in shares.items()]),
            mean=mean,
            whole=math.floor(mean),
        )
    if kind in ("Q4_1", "Q5_1"):
        return say(
            "Its linear weights were already stored as {kind}: {bits} bits in blocks of {block}, so quantizing to "
            "{bits} bits in groups of {block} (with a float zero point) loses nothing by construction; curves at "
            "{bits} bits and above look better than they would on a float model.",
            kind=kind,
            bits=bits,
            block=block,
        )
    return say(
        "Its linear weights were already stored as {kind}: {bits} bits in blocks of {block}; curves at {bits} bits "
        "and above look better than they would on a float model.",
        kind=kind,
        bits=bits,
        block=block,
    )


def _note_of_packed(storage: Mapping[str, Any]) -> Any:
    values = {"tool": storage["tool"], "mean": storage["mean_bits"], "bits": storage["bits"]}
    if storage.get("rounds_inputs"):
        return say(
            "Its linear weights were already stored as {tool}: {mean} bits each with their scales; curves at {bits} "
            "bits and above look better than they would on a float model. That tool also rounds what its layers read "
            "when it runs, which is not done here.",
            **values,
        )
    return say(
        "Its linear weights were already stored as {tool}: {mean} bits each with their scales; curves at {bits} bits "
        "and above look better than they would on a float model.",
        **values,
    )


def note_for(
    config: Mapping[str, Any],
    storage: Mapping[str, Any] | None,
    idle_bytes: int = 0,
    adapter: Mapping[str, Any] | None = None,
) -> str | None:
    """The note of a checkpoint, from what its conversion recorded, what its config.json says about itself, how many
    bytes of its files are no weights, and the adapter (name, base) that was merged into it."""
    found = (_adapter_note(adapter), _storage_note(config, storage), _idle_note(idle_bytes))
    notes = [note for note in found if note is not None]
    return Joined(" ", notes) if len(notes) > 1 else notes[0] if notes else None


def _adapter_note(adapter: Mapping[str, Any] | None) -> str | None:
    if adapter is None:
        return None
    return say(
        "The LoRA adapter {name} was merged into its base {base}; its size is that of the merged weights.",
        name=adapter["name"],
        base=adapter["base"],
    )


def _idle_note(idle_bytes: int) -> str | None:
    if not idle_bytes:
        return None
    return say(
        "{megabytes:.2f} MB of its files are no weights of this model (masks, positions, heads of other tasks, a "
        "second copy of the embedding) and count in no size.",
        megabytes=idle_bytes / 1e6,
    )


def _storage_note(config: Mapping[str, Any], storage: Mapping[str, Any] | None) -> str | None:
    noted = note_of(storage)
    how = config.get("quantization_config")
    if isinstance(how, Mapping) and how.get("quant_method") == "mxfp4":
        return say(
            "Its experts are stored as MXFP4 (4 bits, and one exponent for 32 weights) and were unpacked without loss; "
            "curves at 4 bits and above look better than they would on a float model."
        )
    if noted is None and isinstance(how, Mapping):
        return say(
            "Its config.json says that it was quantized with {kind}, though its weights are stored as floats; its "
            "curves may look better than those of a float model.",
            kind=how.get("quant_method") or say("an unnamed method"),
        )
    return noted
