"""GPTQ: the files of AutoGPTQ and GPTQModel.

    qweight  int32 [in * bits / 32, out]       codes, packed down the inputs, lowest bits first
    qzeros   int32 [groups, out * bits / 32]   zero points, packed along the outputs
    scales   float [groups, out]
    g_idx    int32 [in]                        the group of each input; not ascending after act-order

w[in, out] = scale * (code - zero). Version 1 of the format stores zero - 1; version 2 (checkpoint_format "gptq_v2")
stores zero. Bits are taken from the shapes, because settings may differ from layer to layer. Codes of 3 bits run on
from word to word.
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

WIDTHS = (2, 3, 4, 8)


def _read(layer: str, parts: Mapping[str, Tensor], settings: Settings) -> Tensor | QuantizedTensor:
    from optlab.formats.packing import unpack

    qweight, scales = parts["qweight"], parts["scales"]
    inputs = parts["g_idx"].numel() if "g_idx" in parts else qweight.shape[0] * 32 // int(settings["bits"])
    outputs, groups = qweight.shape[1], scales.shape[0]
    bits = qweight.shape[0] * 32 // inputs
    if bits not in WIDTHS:
        raise ValueError(f"{bits} bits")
    codes = unpack(qweight.T.contiguous(), bits, inputs)
    zeros = unpack(parts["qzeros"], bits, outputs)
    if settings.get("checkpoint_format") != "gptq_v2":
        zeros = (zeros + 1) & ((1 << bits) - 1)
    index = parts.get("g_idx")
    return grouped(codes, scales.T, zeros.T, bits, None if index is None or groups == 1 else index.long())


def _refuses(settings: Settings) -> Message | None:
    layout = settings.get("checkpoint_format", "gptq")
    if layout in ("gptq", "gptq_v2") and not settings.get("is_marlin_format"):
        return None
    return say("its codes are laid out for one kernel ({layout})", layout=layout if layout != "gptq" else "marlin")


GPTQ = PackedFormat(
    name="GPTQ", methods=("gptq",), markers=("qweight",), parts=("qweight", "qzeros", "scales", "g_idx"), read=_read,
    refuses=_refuses,
)  # fmt: skip
