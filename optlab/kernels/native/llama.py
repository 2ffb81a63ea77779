"""A model whose tokens are decoded by the C++ loop; prompts by `prompt`, into the same cache."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.llama import LlamaRuntime, Norm
from optlab.kernels.native.huge_pages import Pages
from optlab.kernels.native.library import Block, Linear, Model, library
from optlab.kernels.native.library import Norm as NativeNorm
from optlab.kernels.native.linear import DENSE, NativeLinear, Together
from optlab.kernels.native.prompt import read
from optlab.kernels.rule import BLOCK, notes_for
from optlab.kernels.sources import Piece, block_pieces
from optlab.kernels.weights import Source
from optlab.models.key_values import ATTRIBUTE as KEY_VALUES
from optlab.models.structure import is_conv1d
from optlab.models.transformer import Transformer

PADDING = 64
ROWS, SPAN = 8, 32
"""attention.h"""
ACTIVATIONS = ("silu", "gelu_tanh", "gelu", "relu")
"""steps.h, Activation"""
QUERY_NORMS = ("none", "head", "width")
"""model.h, QueryNorm"""


def refusal(module: Transformer, dtype: torch.dtype) -> str | None:
    """Why the C++ loop cannot run this model, as a sentence; None when it can."""
    config, device = module.config, module.model.embed_tokens.weight.device
    if device.type != "cpu" or dtype != torch.bfloat16:
        return f"the C++ loop computes in bfloat16 on the processor, not in {str(dtype)[6:]} on {device.type}"
    widths = (config.width, config.mlp_width, config.heads * config.head_dim)
    odd = next((width for width in widths if width % BLOCK), None)
    if odd is not None:
        return f"the C++ loop needs widths that are multiples of {BLOCK}, and this model has one of {odd}"
    if config.head_dim % 2:
        return "the C++ loop multiplies pairs of numbers, and the heads of this model have an odd number of them"
    if (config.heads + 2 * config.kv_heads) * config.head_dim % 16:
        return "the C++ loop needs queries, keys and values of a width that is a multiple of 16 together"
    if _rounds_unevenly(module):
        return "layers that read the same numbers round them differently, which the C++ loop does not do"
    if any(getattr(part, KEY_VALUES, None) is not None for part in module.modules()):
        return "the C++ loop does not round keys and values, so torch's operators do"
    return library()[1] or None


class NativeLlama(LlamaRuntime):
    """As `LlamaRuntime`, in bfloat16 on the CPU; one call per token. `refusal` must be None."""

    def __init__(
        self,
        module: Transformer,
        stored: Mapping[str, QuantizedTensor],
        dtype: torch.dtype,
        length: int,
        notes: list[str],
    ) -> None:
        self.pages = Pages()
        super().__init__(module, stored, dtype, length, notes)
        config = self.config
        found, why = library()
        assert found is not None, why
        self._decode = found.optlab_decode
        self._tables = {
            which: [table.contiguous() for table in rotary.tables(0, length, torch.empty(0))]
            for which, rotary in module.rotaries.items()
        }
        self.native_blocks = (Block * config.blocks)(*[self._block(i) for i in range(config.blocks)])
        attention = config.heads * config.head_dim
        keys_and_values = 2 * config.kv_heads * config.head_dim
        self.shared_floats = 2 * (config.width + attention + config.mlp_width) + keys_and_values + PADDING
        self._shared = torch.zeros(self.shared_floats)
        widest = -(-max(config.width, config.mlp_width, attention) // PADDING) * PADDING
        room, columns = -(-length // SPAN) * SPAN, -(-config.head_dim // 16) * 16
        caches = config.blocks * config.kv_heads
        self.keys = torch.zeros(caches, room * config.head_dim, dtype=dtype)
        self.values = torch.zeros(caches, room * columns, dtype=dtype)
        self._per_input = 4 * widest
        self._attending = ROWS * (3 * room // 2 + columns) + (1 + ROWS // 2) * config.head_dim + PADDING
        self._scratch = torch.zeros(0)
        self._token, self._at = (ctypes.c_int32 * 1)(), (ctypes.c_int32 * 1)()
        assert isinstance(self.head, Together)
        self.struct = Model(
            config.blocks, config.width, config.heads, config.kv_heads, config.head_dim, config.mlp_width,
            config.vocabulary, length, ACTIVATIONS.index(config.activation), config.gated, config.norm == "layer",
            config.parallel, config.turned, QUERY_NORMS.index(config.qk_norm), 0, config.norm_eps,
            config.embedding_scale, config.score_scale, config.attention_cap or 0.0, config.residual_scale,
            config.logit_scale, config.logit_cap or 0.0, ctypes.addressof(self.native_blocks), _native(self.norm),
            self.embedding.data_ptr(), None if self.positions is None else self.positions.data_ptr(),
            self.head.parts[0].struct, self.keys.data_ptr(), self.values.data_ptr(), room * config.head_dim,
            room * columns, self._shared.data_ptr(), 0, 0,
        )  # fmt: skip

    def _block(self, number: int) -> Block:
        config, block = self.config, self.blocks[number]
        norms = (
            block.attention_norm, block.attention_output_norm, block.mlp_norm, block.mlp_output_norm, block.q_norm,
            block.k_norm,
        )  # fmt: skip
        gate_up = _structs(block.gate_up)
        weights = [*_structs(block.qkv), *_structs(block.o), *gate_up, *([] if config.gated else [Linear()])]
        rotation = config.rotation(number)
        tables = (None, None) if rotation is None else [table.data_ptr() for table in self._tables[rotation]]
        return Block(*map(_native, norms), *weights, *_structs(block.down), *tables, block.window or 0)

    @property
    def bytes_per_token(self) -> int:
        """Weights that one token reads, without keys and values."""
        return sum(part.bytes for part in self._parts())

    @property
    def weights_per_token(self) -> int:
        """Weights that one token is multiplied by: two operations each."""
        return sum(part.outputs * part.inputs for part in self._parts())

    @property
    def bytes_per_position(self) -> int:
        """Keys and values that a token reads for each token before it."""
        return (self.keys[:, 0].numel() + self.values[:, 0].numel()) * self.config.head_dim * self.keys.itemsize

    def _parts(self) -> list[NativeLinear]:
        blocks = (part for block in self.blocks for part in (block.qkv, block.o, block.gate_up, block.down))
        return [one for module in (*blocks, self.head) if isinstance(module, Together) for one in module.parts]

    def _pack(self, sources: list[Source]) -> nn.Module:
        parts = []
        for source in sources:
            part = NativeLinear(source)
            self.notes += [note for note in notes_for(part.format, "native") if note not in self.notes]
            self.kernels.add(part.kernel)
            parts.append(part)
        return Together(parts, self.pages)

    def _packed(self, pieces: list[Piece]) -> nn.Module:
        """Let the model use the places of its dense weights too, so that nothing is held twice."""
        made = super()._packed(pieces)
        assert isinstance(made, Together)
        for layer in dict.fromkeys(piece.layer for piece in pieces):
            parts = [part for piece, part in zip(pieces, made.parts, strict=True) if piece.layer is layer]
            whole = parts[0].weight if len(parts) == 1 else made.stacked
            in_order = all(not isinstance(piece.rows, Tensor) for piece in pieces if piece.layer is layer)
            weight = layer.weight
            assert isinstance(weight, Tensor)
            dense = all(part.kind == DENSE for part in parts) and whole is not None and whole.dtype == weight.dtype
            if dense and in_order and whole is not None and not weight.is_meta:
                weight.data = whole.T if is_conv1d(layer) else whole
        return made

    def _norm(self, module: nn.Module | None) -> Norm:
        return Norm.of(module, torch.float32)

    def prefill(self, ids: list[int]) -> Tensor:
        """Raises ValueError when the prompt does not fit, is empty, or something was read before without `reset`."""
        if self.position:
            raise ValueError("prefill starts from an empty cache; call reset first")
        logits = self.read_into(self.struct, ids)
        self.position = len(ids)
        return logits

    @torch.inference_mode()
    def read_into(self, struct: Model, ids: list[int]) -> Tensor:
        """Read a prompt into the caches of `struct`; logits [V] for the token that follows. Raises as `prefill`."""
        if not 0 < len(ids) <= self.length:
            raise ValueError(f"there is room for 1 to {self.length} tokens, {len(ids)} are needed")
        x = F.embedding(torch.tensor(ids), self.embedding).float()
        if self.positions is not None:
            x += self.positions[: len(ids)]
        last = read(self, x.mul_(self.struct.embedding_scale), struct)
        assert isinstance(self.head, Together)
        return self._finished(self.head.parts[0].times(last))

    def decode(self, token: int) -> Tensor:
        """Raises as `step`."""
        self._token[0], self._at[0] = token, self.position
        logits = self.step(ctypes.pointer(self.struct), self._token, self._at)[0]
        self.position += 1
        return logits

    def step(
        self, models: Any, tokens: ctypes.Array[ctypes.c_int32], positions: ctypes.Array[ctypes.c_int32]
    ) -> Tensor:
        """Logits [batch, V] after one more token of each of `models`: structs whose `shared` lie equally far apart.

        Raises ValueError when a cache is full, or a token is none of the vocabulary."""
        for token, position in zip(tokens, positions, strict=True):
            if position >= self.length:
                raise ValueError(f"there is room for {self.length} tokens, {position + 1} are needed")
            if not 0 <= token < len(self.embedding):
                raise ValueError(f"token {token} is none of the {len(self.embedding)} of the vocabulary")
        threads, batch, first = torch.get_num_threads(), len(tokens), models[0]
        each = batch * self._per_input + self._attending
        if threads != first.threads or self._scratch.numel() < threads * each:
            self._scratch = torch.zeros(threads * each)
        first.threads, first.scratch, first.scratch_floats = threads, self._scratch.data_ptr(), each
        logits = torch.empty(batch, self.struct.head.out)
        self._decode(models, batch, tokens, positions, logits.data_ptr())
        return logits


def _rounds_unevenly(module: Transformer) -> bool:
    for number in range(module.config.blocks):
        for pieces in block_pieces(module, number, {}).values():
            if len({piece.source.inputs for piece in pieces}) > 1:
                return True
    return False


def _structs(module: nn.Module) -> list[Linear]:
    assert isinstance(module, Together)
    return [part.struct for part in module.parts]


def _native(norm: Norm) -> NativeNorm:
    return NativeNorm(*(None if one is None else one.data_ptr() for one in (norm.weight, norm.bias)))
