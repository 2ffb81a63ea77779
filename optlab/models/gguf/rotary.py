"""Rotary positions as a GGUF says them, in the hub's `rope_parameters`.

llama.cpp reads a type and a factor, an older key for the factor alone (`rope.scale_linear`), and tensors: one divisor
of every frequency (`rope_freqs`, Llama 3), or two of them, for short and long contexts (`rope_factors_*`, Phi-3). A
factor without a type is linear there, and so it is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.errors import ModelError
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

FACTORS = "rope_freqs.weight"
LONG, SHORT = "rope_factors_long.weight", "rope_factors_short.weight"
TENSORS = (FACTORS, LONG, SHORT)
KEYS = frozenset({
    "rope.freq_base", "rope.dimension_count", "rope.scale_linear", "rope.scaling.type", "rope.scaling.factor",
    "rope.scaling.original_context_length", "rope.scaling.finetuned", "rope.scaling.attn_factor",
    "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
})  # fmt: skip
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The constants of the published Llama 3 models; a GGUF keeps only what they lead to."""


def parameters(file: GGUFFile, head_dim: int, partial: bool = False) -> HubConfig:
    """The hub's rope_parameters. partial: the architecture can leave a part of each head as it is.

    Raises ModelError when the file rotates in a way that the hub's configs cannot say.
    """
    theta = file.decimal("rope.freq_base", 10_000.0)
    for key, value in (("freq_base", theta), ("scaling.factor", file.decimal("rope.scaling.factor", 1.0))):
        if value < 0 or (value == 0 and key == "freq_base"):
            raise ModelError(
                "{file} has {value} as {architecture}.rope.{key}, which cannot be",
                file=file.path.name,
                value=value,
                architecture=file.architecture,
                key=key,
            )
    rotated = file.count("rope.dimension_count", head_dim)
    if rotated > head_dim or (rotated < head_dim and not partial):
        raise ModelError(
            "{file} rotates {rotated} of the {head_dim} dimensions of a head "
            "({architecture}.rope.dimension_count), which models of type {architecture!r} cannot do here",
            file=file.path.name,
            rotated=rotated,
            head_dim=head_dim,
            architecture=file.architecture,
        )
    found = {"rope_theta": theta, **_scaling(file, theta, rotated)}
    return {**found, "partial_rotary_factor": rotated / head_dim} if partial else found


def _scaling(file: GGUFFile, theta: float, rotated: int) -> HubConfig:
    factor = file.decimal("rope.scaling.factor", 0.0) or file.decimal("rope.scale_linear", 0.0) or 1.0
    kind = file.own("rope.scaling.type", "linear")
    factor = 1.0 if kind == "none" else factor
    if factor != 1.0 and (SHORT in file.tensors or (FACTORS in file.tensors and kind != "linear")):
        raise ModelError(
            "{file} scales its rotary positions twice, by {kind!r} ({architecture}.rope.scaling.type) and by a tensor, "
            "which is not known here",
            file=file.path.name,
            kind=kind,
            architecture=file.architecture,
        )
    if LONG in file.tensors or SHORT in file.tensors:
        return _long_and_short(file, rotated)
    if FACTORS in file.tensors:
        return _of_factors(file, theta, rotated, factor)
    if kind == "none" or (kind in ("linear", "yarn", "longrope") and factor == 1.0):
        return {"rope_type": "default"}
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn":
        return _yarn(file, factor)
    raise ModelError(
        "{file} scales its rotary positions by {kind!r} ({architecture}.rope.scaling.type), which is not known here",
        file=file.path.name,
        kind=kind,
        architecture=file.architecture,
    )


def _yarn(file: GGUFFile, factor: float) -> HubConfig:
    """YaRN, arXiv 2309.00071. llama.cpp's ext_factor other than 1 is a mix that the hub's configs cannot say."""
    if file.decimal("rope.scaling.yarn_ext_factor", 1.0) != 1.0:
        raise ModelError(
            "{file} sets {architecture}.rope.scaling.yarn_ext_factor, which is not known",
            file=file.path.name,
            architecture=file.architecture,
        )
    scale = file.decimal("rope.scaling.attn_factor", 1.0) * file.decimal("rope.scaling.yarn_attn_factor", 1.0)
    return {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": file.count(
            "rope.scaling.original_context_length", file.count("context_length", 2048)
        ),
        "attention_factor": scale * (1.0 + 0.1 * float(np.log(factor))),
        "beta_fast": file.decimal("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": file.decimal("rope.scaling.yarn_beta_slow", 1.0),
    }


def _of_factors(file: GGUFFile, theta: float, rotated: int, linear: float) -> HubConfig:
    """Llama 3's scaling when its constants give the stored factors, else the factors themselves. linear: divides every
    frequency besides."""
    stored = linear * _vector(file, FACTORS, rotated)
    if np.allclose(stored, 1.0):
        return {"rope_type": "default"}
    scaling = {"factor": float(stored.max()), **LLAMA3}
    frequency = theta ** -(np.arange(len(stored)) / len(stored))
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequency / (2 * np.pi)
    blend = np.clip((turns - low) / (high - low), 0.0, 1.0)
    if np.allclose(1 / (blend + (1 - blend) / scaling["factor"]), stored, rtol=1e-4):
        return {"rope_type": "llama3", **scaling}
    length = file.count("context_length", 2048)
    return _longrope(stored, stored, length, 1.0, 1.0)


def _long_and_short(file: GGUFFile, rotated: int) -> HubConfig:
    length = file.count("context_length", 2048)
    original = file.count("rope.scaling.original_context_length", length)
    return _longrope(
        _vector(file, SHORT, rotated), _vector(file, LONG, rotated), original, length / original,
        file.decimal("rope.scaling.attn_factor", 1.0),
    )  # fmt: skip


def _longrope(short: Any, long: Any, original: int, factor: float, scale: float) -> HubConfig:
    """A divisor for every frequency, arXiv 2402.13753; `scale` multiplies queries and keys."""
    return {
        "rope_type": "longrope",
        "short_factor": [float(str(np.float32(value))) for value in short],
        "long_factor": [float(str(np.float32(value))) for value in long],
        "original_max_position_embeddings": original,
        "factor": factor,
        "attention_factor": scale,
    }


def _vector(file: GGUFFile, name: str, rotated: int) -> Any:
    if name not in file.tensors:
        raise ModelError(
            "{file} lacks {tensor}, half of how it scales its rotary positions",
            file=file.path.name,
            tensor=name,
        )
    values = np.asarray(file.weights(name), dtype=np.float64)
    if values.shape != (rotated // 2,):
        raise ModelError(
            "{file} is damaged: {tensor} has shape {shape}, not [{rotated}]",
            file=file.path.name,
            tensor=name,
            shape=list(values.shape),
            rotated=rotated // 2,
        )
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ModelError(
            "{file} is damaged: {tensor} holds values that no frequency can be divided by",
            file=file.path.name,
            tensor=name,
        )
    return values
