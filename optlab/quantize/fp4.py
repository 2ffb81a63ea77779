"""FP4 (E2M1): four bits as a tiny floating-point number, the format of newer accelerators. No text is needed."""

from __future__ import annotations

from typing import ClassVar

from optlab.quantize.codebook import CodebookQuantizer


class FP4(CodebookQuantizer):
    """Rounding to 0, 1/2, 1, 3/2, 2, 3, 4, 6 and their negatives, times a scale."""

    name: ClassVar[str] = "fp4"
    title: ClassVar[str] = "FP4 (E2M1)"
    summary: ClassVar[str] = "Four bits as a floating-point number with two exponent bits and one mantissa bit."
    source: ClassVar[str] = "Rouhani et al. 2023, Microscaling Data Formats, arXiv 2310.10537"
