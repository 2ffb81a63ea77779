"""float8 with scales: the files of DeepSeek and Qwen (blocks of 128 x 128), and of FBGEMM (rows).

weight             float8 E4M3 [out, in]
weight_scale_inv   [out / 128, in / 128], by which the weights of a block are multiplied, for all its name
weight_scale       [out, 1] or one number
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optlab.models.quantized.format import PackedFormat, Settings
from optlab.models.quantized.scaled import scaled

if TYPE_CHECKING:
    from torch import Tensor


def _read(layer: str, parts: Mapping[str, Tensor], settings: Settings) -> Tensor:
    block = settings.get("weight_block_size") if "weight_scale_inv" in parts else None
    scale = parts["weight_scale_inv"] if "weight_scale_inv" in parts else parts["weight_scale"]
    return scaled(parts["weight"], scale, block=(int(block[0]), int(block[1])) if block else None)


FLOAT8 = PackedFormat(
    name="float8", methods=("fp8", "fbgemm_fp8"), markers=("weight_scale_inv", "weight_scale"),
    parts=("weight", "weight_scale_inv", "weight_scale", "input_scale", "input_scale_ub"), read=_read,
)  # fmt: skip
