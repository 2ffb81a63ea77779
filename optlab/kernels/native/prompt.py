"""A prompt through a model: large multiplications by torch, everything between them in C++.

Torch's own operators would write and read each activation several times in between, and their attention was a third
of the time. Where a recipe rounds activations to 8 bits, codes are multiplied by codes.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from optlab.kernels.native.library import Model, Norm, Products, Reading, library
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
    tokens, threads, config = len(x), torch.get_num_threads(), model.config
    attention = config.heads * config.head_dim
    queries, mixed = torch.empty(tokens, attention, dtype=torch.bfloat16), torch.empty(tokens, attention)
    whole = ctypes.byref(struct)

    def add(to: Reading | None, norm: Norm | None, added: Multiplied | None, output: Norm | None) -> None:
        """The residual gets what a branch gave; `to` gets what reads the residual."""
        products = None if added is None else ctypes.byref(added.struct)
        found.optlab_prompt_norm(whole, x.data_ptr(), products, output, norm, to, len(x), threads)

    def normed(readers: Together, norm: Norm, added: Multiplied | None, output: Norm | None) -> Multiplied:
        to = Read.room(readers, len(x))
        add(to.struct, norm, added, output)
        return to.multiplied()

    added: Multiplied | None = None
    output: Norm | None = None
    for layer, (block, native) in enumerate(zip(model.blocks, model.native_blocks, strict=True)):
        qkv, o, gate_up, down = block.qkv, block.o, block.gate_up, block.down
        assert isinstance(qkv, Together) and isinstance(o, Together)
        assert isinstance(gate_up, Together) and isinstance(down, Together)
        products = normed(qkv, native.attention_norm, added, output)
        # After the last block's keys and values, only the last token is of interest.
        start = tokens - 1 if layer + 1 == len(model.blocks) else 0
        x = x[start:]
        neurons = normed(gate_up, native.mlp_norm, None, None) if config.parallel else None
        to = Read.room(o, len(x))
        found.optlab_prompt_attention(
            whole, layer, ctypes.byref(products.struct), queries.data_ptr(), mixed.data_ptr(), ctypes.byref(to.struct),
            start, tokens, threads,
        )  # fmt: skip
        added, output = to.multiplied(), native.attention_output_norm
        if neurons is None:
            neurons = normed(gate_up, native.mlp_norm, added, output)
        else:
            add(None, None, added, output)
        to = Read.room(down, len(x))
        found.optlab_prompt_activate(whole, ctypes.byref(neurons.struct), ctypes.byref(to.struct), len(x), threads)
        added, output = to.multiplied(), native.mlp_output_norm
    last = torch.empty(config.width, dtype=torch.bfloat16)
    add(Reading(last.data_ptr(), None, None, len(last), 0, 0.0), struct.norm, added, output)
    return last
