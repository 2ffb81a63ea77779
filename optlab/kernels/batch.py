"""Several texts of one length continued at once, on every kind of runtime.

A server that answers many people multiplies each weight by many inputs for one trip to memory. There fewer bits save
less: the time goes into arithmetic, which has as many operations as before.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native.batch import NativeBatch
from optlab.kernels.native.llama import NativeLlama
from optlab.kernels.runtime import HubRuntime, Runtime
from optlab.models.attend import attend_one


class Batch(Protocol):
    """A number of texts that grow together."""

    path: str

    def start(self, prompts: list[list[int]]) -> Tensor:
        """Forget all, and read a prompt of the same length into each; logits [B, V] for the tokens that follow."""

    def step(self, tokens: list[int]) -> Tensor:
        """Add a token to each; logits [B, V] for the next."""


def batch(runtime: Runtime, count: int) -> Batch:
    """`count` texts on the weights of `runtime`. Raises MeasurementError where it cannot hold more than one."""
    if isinstance(runtime, NativeLlama):
        return NativeBatch(runtime, count)
    if isinstance(runtime, LlamaRuntime):
        return LlamaBatch(runtime, count)
    if isinstance(runtime, HubRuntime):
        return HubBatch(runtime)
    raise MeasurementError("{path} continues one text at a time", path=runtime.path)


class LlamaBatch:
    """`count` texts on torch's operators, with the packed layers of `runtime`."""

    def __init__(self, runtime: LlamaRuntime, count: int) -> None:
        if any(block.key_values is not None for block in runtime.blocks):
            raise MeasurementError("a recipe that rounds keys and values is timed with one text only, by a measurement")
        self.runtime, self.path, self.position = runtime, runtime.path, 0
        blocks, kv_heads, length, size = runtime.keys.shape
        self.keys, self.values = (runtime.keys.new_zeros(blocks, count, kv_heads, length, size) for _ in range(2))

    def start(self, prompts: list[list[int]]) -> Tensor:
        """Raises ValueError when a prompt does not fit."""
        found = []
        for i, ids in enumerate(prompts):
            self.runtime.reset()
            found.append(self.runtime.prefill(ids))
            self.keys[:, i], self.values[:, i] = self.runtime.keys, self.runtime.values
        self.position = len(prompts[0])
        return torch.stack(found)

    @torch.inference_mode()
    def step(self, tokens: list[int]) -> Tensor:
        """Raises ValueError when the buffers are full."""
        runtime, at = self.runtime, self.position
        end = at + 1
        if end > runtime.length:
            raise ValueError(f"there is room for {runtime.length} tokens, {end} are needed")
        x = runtime.embed(torch.tensor(tokens, device=runtime.device), slice(at, end))
        x = runtime.walk(x, slice(at, end), self._attention)
        self.position = end
        return runtime.logits(x)

    def _attention(self, i: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        config, at, window = self.runtime.config, self.position, self.runtime.blocks[i].window
        self.keys[i, :, :, at], self.values[i, :, :, at] = k, v
        seen = slice(0 if window is None else max(0, at + 1 - window), at + 1)
        keys, values = self.keys[i, :, :, seen], self.values[i, :, :, seen]
        return attend_one(q, keys, values, config.score_scale, config.attention_cap)


class HubBatch:
    """Any number of texts in transformers' own forward, with the packed layers of `runtime`."""

    def __init__(self, runtime: HubRuntime) -> None:
        self.runtime, self.path = runtime, runtime.path
        self.cache: Any = None

    def start(self, prompts: list[list[int]]) -> Tensor:
        self.cache = None
        return self._forward(torch.tensor(prompts))

    def step(self, tokens: list[int]) -> Tensor:
        return self._forward(torch.tensor(tokens)[:, None])

    @torch.inference_mode()
    def _forward(self, ids: Tensor) -> Tensor:
        model = self.runtime.model
        out = model.module(input_ids=ids.to(model.device), past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[:, -1]
