"""NF4: four bits whose 16 levels lie where normally distributed weights do. No text is needed."""

from __future__ import annotations

from typing import ClassVar

from optlab.quantize.codebook import CodebookQuantizer


class NF4(CodebookQuantizer):
    """Rounding to the quantiles of a normal distribution."""

    name: ClassVar[str] = "nf4"
    title: ClassVar[str] = "NF4 (normal float)"
    summary: ClassVar[str] = "Four bits with levels as dense as the weights are: many near 0, few far out."
    source: ClassVar[str] = "Dettmers et al. 2023, QLoRA, arXiv 2305.14314, appendix E"
