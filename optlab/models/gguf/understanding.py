"""Whether everything that a GGUF holds is understood: its architecture, its keys, its tensors, its blocks."""

from __future__ import annotations

import re
from typing import Any

from optlab.errors import ModelError
from optlab.models.gguf import rotary
from optlab.models.gguf.architectures import KEYS, Architecture
from optlab.models.gguf.families import find
from optlab.models.gguf.file import GGUFFile


def understood(file: GGUFFile) -> Architecture:
    """The architecture of `file`, once everything in it is understood. Raises ModelError, naming what is not."""
    found = find(file)
    allowed = KEYS | found.keys | (rotary.KEYS if found.rotary else frozenset())
    prefix = f"{file.architecture}."
    for key, value in file.values.items():
        own = key.removeprefix(prefix)
        if key.startswith(prefix) and own not in allowed and not _says_nothing(file, own, value):
            raise ModelError(
                "{file} sets {key} to {value}, which is not understood here",
                file=file.path.name,
                key=key,
                value=_short(value),
            )
    for name in file.tensors:
        if found.hub_name(name) is None and not (found.rotary and name in rotary.TENSORS):
            raise ModelError(
                "{file} holds {tensor}, which a model of type {architecture!r} has not here",
                file=file.path.name,
                tensor=name,
                architecture=file.architecture,
            )
    _check_blocks(file)
    return found


NEUTRAL = {
    "attention.causal": (True,), "expert_weights_norm": (True,), "expert_gating_func": (0, 1),
    "expert_weights_scale": (0, 1), "embedding_scale": (0, 1), "residual_scale": (0, 1), "logit_scale": (0, 1),
}  # fmt: skip
"""Keys of one architecture that others carry as well -> the values that say what is done anyway: attention to what came
before, a softmax over experts whose weights add up to 1, no scale."""


def _says_nothing(file: GGUFFile, key: str, value: Any) -> bool:
    """Whether a value leaves everything as it is: off, none, no window or one that holds everything, no experts."""
    if key in NEUTRAL:
        return value in NEUTRAL[key]
    if key == "attention.sliding_window" and isinstance(value, int):
        return value == 0 or value >= file.count("context_length", 2048)
    return not any(value) if isinstance(value, list) else value in (False, 0, "", "none")


def _short(value: Any) -> str:
    return f"a list of {len(value)} values" if isinstance(value, list) else repr(value)


def _check_blocks(file: GGUFFile) -> None:
    """Every block is there, and whole."""
    blocks = file.count("block_count")
    parts: dict[int, set[str]] = {number: set() for number in range(min(blocks, len(file.tensors)))}
    for name in file.tensors:
        if match := re.match(r"blk\.(\d+)\.(.+)", name):
            if int(match[1]) not in parts:
                raise ModelError(
                    "{file} holds {tensor}, but says that it has {blocks} blocks",
                    file=file.path.name,
                    tensor=name,
                    blocks=len(parts),
                )
            parts[int(match[1])].add(match[2])
    everything = set().union(*parts.values())
    for number, present in parts.items():
        if missing := sorted(everything - present):
            raise ModelError(
                "{file} lacks blk.{number}.{missing}, which other blocks have; download or copy it again",
                file=file.path.name,
                number=number,
                missing=missing[0],
            )
    if "token_embd.weight" not in file.tensors:
        raise ModelError(
            "{file} lacks token_embd.weight, the embedding; download or copy it again",
            file=file.path.name,
        )
