"""Several texts through the C++ loop at once: every weight is taken from memory once for all of them."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from optlab.kernels.native.library import Model
from optlab.kernels.native.llama import NativeLlama

MOST_TOGETHER = 64
"""model.h"""


class NativeBatch:
    """`count` texts of `runtime`, each with keys and values of its own. Raises ValueError beyond MOST_TOGETHER."""

    def __init__(self, runtime: NativeLlama, count: int) -> None:
        if not 0 < count <= MOST_TOGETHER:
            raise ValueError(f"the C++ loop continues 1 to {MOST_TOGETHER} texts at once, not {count}")
        self.runtime, self.path = runtime, runtime.path
        self.keys = torch.zeros(count, *runtime.keys.shape, dtype=runtime.keys.dtype)
        self.values = torch.zeros(count, *runtime.values.shape, dtype=runtime.values.dtype)
        self.shared = torch.zeros(count, runtime.shared_floats)
        self.models = (Model * count)(*[runtime.struct] * count)
        for model, keys, values, shared in zip(self.models, self.keys, self.values, self.shared, strict=True):
            model.keys, model.values, model.shared = keys.data_ptr(), values.data_ptr(), shared.data_ptr()
        self.positions = (ctypes.c_int32 * count)()
        self.tokens = (ctypes.c_int32 * count)()

    def start(self, prompts: list[list[int]]) -> Tensor:
        """Forget all, and read a prompt into each; logits [count, V]. Raises ValueError as `NativeLlama.prefill`."""
        for i, ids in enumerate(prompts):
            self.positions[i] = len(ids)
        return torch.stack(
            [self.runtime.read_into(model, ids) for model, ids in zip(self.models, prompts, strict=True)]
        )

    def step(self, tokens: list[int]) -> Tensor:
        """Add a token to each; logits [count, V]. Raises ValueError as `NativeLlama.step`."""
        for i, token in enumerate(tokens):
            self.tokens[i] = token
        logits = self.runtime.step(self.models, self.tokens, self.positions)
        for i in range(len(tokens)):
            self.positions[i] += 1
        return logits
