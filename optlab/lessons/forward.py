"""One pass through a Llama-family model with everything in between kept: what a lesson looks into.

The same equations as `optlab.models.transformer`, for one text at a time and without a cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optlab.lessons.weights import Array, Weights


@dataclass(frozen=True)
class BlockTrace:
    """What one block did to T tokens of width D; all float32.

    before [T, D]: the residual stream as it came. attended [T, D]: after the attention was added; after [T, D]: after
    the feed-forward was added. weights [heads, T, T]: row t says where token t looks. neurons [T, F]: what is inside
    the feed-forward. normed [T, D]: what attention read. inputs: what each linear layer of the block read, by its name.
    """

    before: Array
    attended: Array
    after: Array
    weights: Array
    neurons: Array
    normed: Array
    inputs: dict[str, Array]


@dataclass(frozen=True)
class Trace:
    """blocks: one trace each, in order. final [T, D]: after the last norm. logits [T, vocabulary]."""

    blocks: list[BlockTrace]
    final: Array
    logits: Array


def trace(model: Weights, ids: Sequence[int]) -> Trace:
    """Run `ids` (at least one) through `model`."""
    x = model["model.embed_tokens"][np.asarray(ids)]
    cos, sin = rotary(len(x), model.head_dim, model.theta)
    blocks = []
    for number in range(model.blocks):
        blocks.append(_block(model, f"model.layers.{number}", x, cos, sin))
        x = blocks[-1].after
    final = norm(x, model["model.norm"], model.eps)
    return Trace(blocks, final, logits(model, final))


def logits(model: Weights, final: Array) -> Array:
    """Scores of every token of the vocabulary [T, vocabulary] from normed states [T, D]."""
    tied = "lm_head.weight" not in model.checkpoint.tensors
    return final @ model["model.embed_tokens" if tied else "lm_head"].T


def norm(x: Array, weight: Array, eps: float) -> Array:
    """RMSNorm (arXiv 1910.07467): x [T, D] divided by its root mean square, times a learnt weight [D]."""
    return weight * x / np.sqrt(np.square(x).mean(-1, keepdims=True) + eps)


def softmax(z: Array, axis: int = -1) -> Array:
    """exp(z) / sum exp(z); the largest is taken off first, which changes nothing but keeps exp in range."""
    shifted = np.exp(z - z.max(axis, keepdims=True))
    return shifted / shifted.sum(axis, keepdims=True)


def log_softmax(z: Array) -> Array:
    """log softmax(z) along the last axis, exact where the probability itself would be 0."""
    shifted = z - z.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def rotary(length: int, head_dim: int, theta: float) -> tuple[Array, Array]:
    """Cosines and sines [length, head_dim] of rotary positions (arXiv 2104.09864, eq. 15), halves as in the hub."""
    frequencies = 1.0 / theta ** (np.arange(0, head_dim, 2, dtype=np.float32) / head_dim)
    angle = np.tile(np.outer(np.arange(length, dtype=np.float32), frequencies), 2)
    return np.cos(angle), np.sin(angle)


def _block(model: Weights, name: str, x: Array, cos: Array, sin: Array) -> BlockTrace:
    length, dim = len(x), model.head_dim
    normed = norm(x, model[f"{name}.input_layernorm"], model.eps)

    def heads(part: str, count: int) -> Array:
        y = normed @ model[f"{name}.self_attn.{part}_proj"].T
        return y.reshape(length, count, dim).transpose(1, 0, 2)

    group = model.heads // model.kv_heads
    q = _rotate(heads("q", model.heads), cos, sin)
    k = np.repeat(_rotate(heads("k", model.kv_heads), cos, sin), group, axis=0)
    v = np.repeat(heads("v", model.kv_heads), group, axis=0)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(np.float32(dim))
    scores[:, np.triu_indices(length, 1)[0], np.triu_indices(length, 1)[1]] = -np.inf
    weights = softmax(scores)
    mixed = (weights @ v).transpose(1, 0, 2).reshape(length, -1)
    attended = x + mixed @ model[f"{name}.self_attn.o_proj"].T

    read = norm(attended, model[f"{name}.post_attention_layernorm"], model.eps)
    gate = read @ model[f"{name}.mlp.gate_proj"].T
    neurons = gate / (1.0 + np.exp(-gate)) * (read @ model[f"{name}.mlp.up_proj"].T)
    after = attended + neurons @ model[f"{name}.mlp.down_proj"].T

    inputs = dict.fromkeys((f"{name}.self_attn.{part}_proj" for part in "qkv"), normed)
    inputs |= {f"{name}.self_attn.o_proj": mixed, f"{name}.mlp.gate_proj": read, f"{name}.mlp.up_proj": read,
               f"{name}.mlp.down_proj": neurons}  # fmt: skip
    return BlockTrace(x, attended, after, weights, neurons, normed, inputs)


def _rotate(x: Array, cos: Array, sin: Array) -> Array:
    half = x.shape[-1] // 2
    return x * cos + np.concatenate((-x[..., half:], x[..., :half]), axis=-1) * sin
