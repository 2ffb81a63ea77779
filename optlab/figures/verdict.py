"""What a recipe does to a model, as one sentence: '2.7 x smaller, 1.8 x faster, no measurable loss.'

This is the one place where figures become a judgement; a page, a list of runs and a report say the same of the same
recipe. What is measured is judged by its 95 % interval, what is predicted by its 90 % band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from optlab.figures import format, pairs, speedup
from optlab.i18n import _, sentence
from optlab.results.comparison import Comparison
from optlab.results.measurement import Measurement, MeasurementSoFar
from optlab.results.prediction_table import PredictedCell

SLIGHT = 1.01
"""Perplexity over the original's up to which a loss is slight: nobody notices it in a text."""


def in_words(known: Measurement | Comparison | MeasurementSoFar) -> str:
    """What was saved and what it cost, in one line without a full stop; only what was measured, '' for nothing."""
    saved = [pair.headline for pair in (pairs.size(known), pairs.latency(known)) if pair.complete and pair.headline]
    quality = pairs.quality(known)
    return _(", ").join([*saved, *([_lost(known)] if quality.complete else [])])


def measured(known: Measurement | Comparison | MeasurementSoFar) -> str:
    """`in_words` as a sentence."""
    return sentence(in_words(known))


def predicted(cell: PredictedCell, original_bytes: int) -> str:
    """The same of what is predicted, as a sentence; '' where nothing is. original_bytes: of its weights."""
    parts: list[str] = []
    if cell.size_bytes is not None:
        parts.append(format.smaller(cell.size_bytes / original_bytes))
    if cell.decode_speedup is not None:
        parts.append(expected_speed(cell))
    if cell.ppl_ratio is not None:
        parts.append(_expected(cell.ppl_ratio, cell.nll_band90))
    return sentence(_(", ").join(parts)) if parts else ""


def expected_speed(cell: PredictedCell) -> str:
    """How many times faster; where the band holds 1, nobody can tell."""
    return speedup.expected(cell.decode_speedup, cell.decode_speedup_band90)


def _lost(known: Measurement | Comparison | MeasurementSoFar) -> str:
    """A part of the text is no ground for a judgement: until all of it was read there is a figure and no verdict."""
    ratio, interval = _perplexities(known)
    if isinstance(known, MeasurementSoFar) and not known.quality_done:
        return _("{loss} so far").format(loss=format.worse(ratio))
    return _loss(ratio, interval)


def _loss(ratio: float | None, interval: Sequence[float] | None) -> str:
    if interval is not None and interval[0] <= 1 <= interval[1]:
        return _("no measurable loss")
    return _slight(ratio) or format.worse(ratio)


def _expected(ratio: float, band: tuple[float | None, float | None] | None) -> str:
    """Where even the worse end of the band is slight, nothing else needs saying."""
    worst = None if band is None else band[1]
    if worst is not None and worst <= math.log(SLIGHT):
        return _("hardly any loss expected")
    return _("about {loss}").format(loss=format.worse(ratio)) if ratio != 1.0 else _("as good as the original")


def _slight(ratio: float | None) -> str:
    if ratio is None or not 1.0 < ratio < SLIGHT:
        return ""
    return _("hardly worse ({loss})").format(loss=format.worse(ratio))


def _perplexities(known: Measurement | Comparison | MeasurementSoFar) -> tuple[float | None, Sequence[float] | None]:
    """The ratio and its interval."""
    if isinstance(known, MeasurementSoFar):
        found = known.quality
        return (None, None) if found is None else (found.ppl_ratio, found.ppl_ratio_ci95)
    return known.delta.ppl_ratio, known.delta.ppl_ratio_ci95
