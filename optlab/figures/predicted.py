"""What is predicted of a recipe, in the form in which measured figures are shown, and never mistaken for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from optlab.figures import format, speedup
from optlab.figures.pairs import Pair
from optlab.i18n import _

if TYPE_CHECKING:
    from optlab.prediction.predictor import Prediction


LARGEST_EXPONENT = 709.0
"""What `exp` takes before it overflows."""


def of(found: Prediction, original: Prediction) -> list[Pair]:
    """Quality, size, latency. original: of the recipe without steps.

    Outside the probed range there is no quality: its pair has no candidate.
    """
    return [_quality(found), _size(found, original), _latency(found, original)]


def not_timed() -> str:
    """Why no speed is predicted where a model was probed."""
    return _("Timed on this machine as soon as nothing else runs; it takes seconds.")


def _quality(found: Prediction) -> Pair:
    ratio = found.ppl_ratio
    low, high = map(_ratio, found.nll_band90) if found.nll_band90 else (None, None)
    return Pair(
        _("Perplexity"),
        _("How many times that of the original; a measurement gives the perplexities themselves."),
        1.0, ratio, _("original"), _not_above(ratio),
        format.worse(ratio) if ratio is not None else "",
        _("90% band {range}").format(range=format.change_range(low, high)) if low and high else _("no band"),
        low=low, high=high, side="predicted",
    )  # fmt: skip


def _ratio(nll: float) -> float:
    """Of perplexities, from a difference of losses; infinite where no float holds it."""
    return math.exp(nll) if nll < LARGEST_EXPONENT else math.inf


def _not_above(ratio: float | None) -> str:
    return format.not_measured() if ratio is None else _("{ratio} x").format(ratio=format.significant(ratio))


def _size(found: Prediction, original: Prediction) -> Pair:
    base, candidate = original.size_bytes, found.size_bytes
    ratio = candidate / base if base and candidate is not None else None
    return Pair(
        _("Size"), _("Computed from the format of every weight, without writing the file."),
        base, candidate, format.megabytes(base), format.megabytes(candidate), format.smaller(ratio),
        _("exact"), side="predicted",
    )  # fmt: skip


def _latency(found: Prediction, original: Prediction) -> Pair:
    base, candidate = original.decode_ms, found.decode_ms
    low, high = found.decode_band90 or (None, None)
    speed = found.speed
    missing = not_timed() if base is None else ""
    spread = _("90% band {low} to {high}")
    return Pair(
        _("Latency"), _("From the bytes read per token and how fast this machine's kernels read them."),
        base, candidate, format.milliseconds(base), format.milliseconds(candidate),
        speedup.expected(speed.speedup, speed.speedup_band90) if speed else "",
        spread.format(low=format.milliseconds(low), high=format.milliseconds(high)) if low and high else "",
        low=low, high=high, side="predicted", missing=missing,
    )  # fmt: skip
