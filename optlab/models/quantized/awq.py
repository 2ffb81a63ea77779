"""AWQ: the files of AutoAWQ and llm-awq in its layout GEMM, which is the usual one.

    qweight  int32 [in, out / 8]       codes of 4 bits
    qzeros   int32 [groups, out / 8]   zero points
    scales   float16 [groups, out]

w[in, out] = scale * (code - zero). The eight codes of a word stand in the order of their outputs 0 2 4 6 1 3 5 7, from
the lowest bits on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optlab.messages import Message, say
from optlab.models.quantized.format import PackedFormat, Settings
from optlab.models.quantized.grouped import grouped

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.formats.integer_tensor import QuantizedTensor

BITS, PER_WORD = 4, 8
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""The output that each code of a word belongs to, lowest bits first."""


def _read(layer: str, parts: Mapping[str, Tensor], settings: Settings) -> Tensor | QuantizedTensor:
    codes, zeros, scales = _nibbles(parts["qweight"]), _nibbles(parts["qzeros"]), parts["scales"]
    return grouped(codes.T.contiguous(), scales.T, zeros.T, BITS)


def _nibbles(words: Tensor) -> Tensor:
    """int32 [rows, out / 8] -> uint8 [rows, out]."""
    import torch

    codes = torch.empty(*words.shape, PER_WORD, dtype=torch.uint8)
    for place, output in enumerate(ORDER):
        codes[..., output] = (words >> (BITS * place) & 0xF).to(torch.uint8)
    return codes.flatten(1)


def _refuses(settings: Settings) -> Message | None:
    bits, version = settings.get("bits", settings.get("w_bit", BITS)), str(settings.get("version", "gemm")).lower()
    if bits == BITS and version == "gemm":
        return None
    return say(
        "its layout is {version} with {bits} bits, and only gemm with 4 bits is read", version=version, bits=bits
    )


AWQ = PackedFormat(
    name="AWQ", methods=("awq",), markers=("qweight",), parts=("qweight", "qzeros", "scales"), read=_read,
    refuses=_refuses,
)  # fmt: skip
