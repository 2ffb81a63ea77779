"""Which inputs reach a layer on a real text: the second moments that GPTQ, Wanda and SparseGPT look at."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from optlab.lessons import forward
from optlab.lessons.weights import Array, Weights, load

TEXT, TOKENS, CONTEXT = "shakespeare", 1024, 256


def inputs(model: Weights, text: str = TEXT, count: int = TOKENS, context: int = CONTEXT) -> dict[str, Array]:
    """What every linear layer of `model` reads, float32 [count, in], on the calibration side of `text`, in windows of
    `context` tokens. Layers that read the same share one array. Raises TextError."""
    from optlab.texts import calibration_windows

    found = [forward.trace(model, window) for window in calibration_windows(text, model.tokenizer, count, context)]
    gathered: dict[str, Array] = {}
    for number in range(model.blocks):
        shared: dict[int, Array] = {}
        for name, first in found[0].blocks[number].inputs.items():
            if id(first) not in shared:
                shared[id(first)] = np.concatenate([one.blocks[number].inputs[name] for one in found])
            gathered[name] = shared[id(first)]
    return gathered


@lru_cache(maxsize=1)
def _of_lessons(folder: str) -> dict[str, Array]:
    return inputs(load())


def of(name: str) -> Array:
    """What layer `name` of the lessons' model reads, [1024, in]; computed once. Raises KeyError, TextError."""
    return _of_lessons(str(load().checkpoint.folder))[name]


def gram(x: Array) -> Array:
    """Mean of x x^T over the tokens of x [tokens, in]: float64 [in, in]."""
    wide = x.astype(np.float64)
    return wide.T @ wide / len(wide)


def output_error(W: Array, Q: Array, H: Array) -> float:
    """Mean square of the change of a layer's outputs, relative to that of the outputs: W, Q [out, in], H [in, in]."""
    change = (Q - W).astype(np.float64)
    whole = W.astype(np.float64)
    return float(np.einsum("oi,ij,oj->", change, H, change) / np.einsum("oi,ij,oj->", whole, H, whole))
