"""A prompt through a Llama-family model: large multiplications by torch, everything between them in C++.

Torch's own operators would write and read each activation several times in between, and their attention was a third
of the time. Where a recipe rounds activations to 8 bits, codes are multiplied by codes.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from optlab.kernels.native.library import Model, Products, Reading, library
from optlab.kernels.native.linear import Together

if TYPE_CHECKING:
    from optlab.kernels.native.llama import NativeLlama


@dataclass
class Read:
    """What `readers` multiply, [T, in], and the memory it lies in."""

    readers: Together
    rounded: Tensor
    steps: Tensor
    struct: Reading

    @classmethod
    def room(cls, readers: Together, tokens: int) -> Read:
        part, whole = readers.parts[0], readers.whole_numbers
        rounded = torch.empty(tokens, part.inputs, dtype=torch.int8 if whole else torch.bfloat16)
        steps = torch.empty(tokens if whole else 0)
        memory = (None, rounded.data_ptr(), steps.data_ptr()) if whole else (rounded.data_ptr(), None, None)
        struct = Reading(*memory, part.inputs, part.struct.levels, part.struct.step)
        return cls(readers, rounded, steps, struct)

    def multiplied(self) -> Multiplied:
        products = self.readers(self.rounded)
        scale, bias = (None if one is None else one.data_ptr() for one in (self.readers.scale, self.readers.bias))
        struct = Products(products.data_ptr(), self.steps.data_ptr(), scale, bias, products.shape[1])
        return Multiplied(products, self.steps, struct)


@dataclass
class Multiplied:
    """What a multiplication gave, and the memory it lies in."""

    values: Tensor
    steps: Tensor
    struct: Products


def read(model: NativeLlama, x: Tensor, struct: Model) -> Tensor:
    """x: embeddings [T, width], float32, used up. Fills the caches of `struct` from position 0; what the head reads for
    the last token [width]."""
    found, why = library()
    assert found is not None, why
    tokens, threads, eps = len(x), torch.get_num_threads(), model.config.norm_eps
    attention = model.config.heads * model.config.head_dim
    queries, mixed = torch.empty(tokens, attention, dtype=torch.bfloat16), torch.empty(tokens, attention)
    gelu = int(model.config.activation == "gelu_tanh")
    added: Multiplied | None = None

    def normed(readers: Together, weight: Tensor) -> Multiplied:
        to = Read.room(readers, len(x))
        found.optlab_prompt_norm(
            x.data_ptr(), None if added is None else ctypes.byref(added.struct), weight.data_ptr(), eps,
            ctypes.byref(to.struct), len(x), threads,
        )  # fmt: skip
        return to.multiplied()

    for layer, (block, (before, after)) in enumerate(zip(model.blocks, model.norms, strict=True)):
        qkv, o, gate_up, down = block.qkv, block.o, block.gate_up, block.down
        assert isinstance(qkv, Together) and isinstance(o, Together)
        assert isinstance(gate_up, Together) and isinstance(down, Together)
        products = normed(qkv, before)
        # After the last block's keys and values, only the last token is of interest.
        start = tokens - 1 if layer + 1 == len(model.blocks) else 0
        x = x[start:]
        to = Read.room(o, len(x))
        found.optlab_prompt_attention(
            ctypes.byref(struct), layer, ctypes.byref(products.struct), queries.data_ptr(), mixed.data_ptr(),
            ctypes.byref(to.struct), start, tokens, threads,
        )  # fmt: skip
        added = to.multiplied()
        products, to = normed(gate_up, after), Read.room(down, len(x))
        found.optlab_prompt_activate(ctypes.byref(products.struct), gelu, ctypes.byref(to.struct), len(x), threads)
        added = to.multiplied()
    assert added is not None
    last = torch.empty(model.config.width, dtype=torch.bfloat16)
    to_head = Reading(last.data_ptr(), None, None, len(last), 0, 0.0)
    found.optlab_prompt_norm(
        x.data_ptr(), ctypes.byref(added.struct), model.last_norm.data_ptr(), eps, ctypes.byref(to_head), 1, threads
    )
    return last
