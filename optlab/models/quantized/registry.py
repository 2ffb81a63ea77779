"""Every format of packed weights that is read. A new one is one file and one line here."""

from __future__ import annotations

from optlab.models.quantized.awq import AWQ
from optlab.models.quantized.bitsandbytes import BITSANDBYTES
from optlab.models.quantized.compressed_tensors import COMPRESSED_TENSORS
from optlab.models.quantized.float8 import FLOAT8
from optlab.models.quantized.format import PackedFormat
from optlab.models.quantized.gptq import GPTQ
from optlab.models.quantized.hqq import HQQ

FORMATS: tuple[PackedFormat, ...] = (GPTQ, AWQ, COMPRESSED_TENSORS, BITSANDBYTES, HQQ, FLOAT8)


def format_of(method: object) -> PackedFormat | None:
    """The format that `quant_method` names; None when it is not read."""
    return next((one for one in FORMATS if method in one.methods), None)
