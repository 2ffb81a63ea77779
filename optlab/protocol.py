"""HOW a measurement is made: the text, how much of it, the precision, the seed. Part of a run's identity."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optlab.framing import BosRule

FALLBACK_TEXT = "bbc-news"
"""The text of a model that the catalog does not know: one that is installed, so that it needs no network."""

REPORT_TOKENS = 1024
"""Of the calibration text, on which the error of each layer's output is measured where nothing else is calibrated."""


class Protocol(BaseModel):
    """Settings of a measurement, with the defaults of the command line.

    text: a named text or a path; None = the model's default text. tokens: tokens of the evaluation text, cut into
    windows of `context`. dtype: what both models read texts in; 'auto' = bfloat16 where matrices multiply faster in it,
    else float32. decode_dtype: what they write tokens in when latency, memory and generated texts are measured; 'same'
    = as dtype. Where dtype is 'auto' it is decided too (`optlab.jobs.resolution.settled`), and bfloat16 wherever the
    device computes with it. stop_below_percent: stop early once the 95% interval of the perplexity ratio is narrower
    than this (percent of the ratio), None = never. bos: whether windows begin with the model's BOS token
    (`optlab.framing`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = None
    tokens: int = Field(8192, ge=64, le=10_000_000)
    context: int = Field(512, ge=16, le=131_072)
    calibration: str | None = None
    calibration_tokens: int = Field(16_384, ge=512, le=10_000_000)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    decode_dtype: Literal["same", "float32", "bfloat16"] = "same"
    device: str = "auto"
    seed: int = Field(0, ge=0, le=2**31 - 1)
    latency: bool = True
    stop_below_percent: float | None = Field(None, gt=0, le=100)
    bos: BosRule = "auto"

    @property
    def decodes_in(self) -> str:
        """What runtimes compute in; 'auto' where `dtype` was not decided yet."""
        return self.dtype if self.decode_dtype == "same" else self.decode_dtype
