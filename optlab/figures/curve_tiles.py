"""The three tiles above the curve: quality, size and speed of a stop against the original, in figures and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from optlab.figures import format, pairs, verdict
from optlab.figures.predicted import not_timed
from optlab.i18n import _
from optlab.results.prediction_table import OriginalFigures, PredictedCell

LARGEST_EXPONENT = 700.0
"""What `exp` takes before it overflows, with room."""


@dataclass(frozen=True)
class Tile:
    """headline: what changes, in words. detail: original and compressed. interval: the uncertainty, '' for none.
    base, value: of both models, in one unit; None is not known. low, high: ends of the interval of `value`.
    side: 'measured', 'predicted' or 'unknown'."""

    side: str
    headline: str
    detail: str
    interval: str = ""
    base: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None


def measured(known: pairs.Known) -> tuple[Tile, ...]:
    """As the cards of a measurement have it; what it has not found yet is unknown."""
    return _of_pair(pairs.quality(known)), _of_pair(pairs.size(known)), _of_pair(_as_speed(pairs.latency(known)))


def unknown(original: OriginalFigures) -> tuple[Tile, ...]:
    """Of a stop of which nothing is known but the original."""
    return predicted(PredictedCell(), original)


def predicted(cell: PredictedCell, original: OriginalFigures) -> tuple[Tile, ...]:
    """Of a stop that was not measured."""
    return _quality(cell, original), _size(cell, original), _speed(cell, original)


def of_original(original: OriginalFigures) -> tuple[Tile, ...]:
    """Of the stop at which nothing is done: there is nothing to predict."""
    ppl, speed = original.ppl, 1000 / original.decode_ms if original.decode_ms else None
    unit, size = ppl or 1.0, float(original.size_bytes)
    told = _("perplexity {value}").format(value=format.number(ppl)) if ppl else ""
    return (
        Tile("unknown", _("the original"), told, "", unit, unit, unit, unit),
        Tile("unknown", format.megabytes(original.size_bytes), _("as it is stored"), "", size, size),
        Tile("unknown", _per_second(speed) if speed else format.not_measured(), "" if speed else not_timed(), "",
             speed, speed, speed, speed),
    )  # fmt: skip


def not_probed() -> str:
    """Why a model has no predictions at all."""
    return _("This model has not been probed yet, so nothing is predicted. Measure it, or probe it once.")


def not_predicted() -> str:
    """Why a recipe has none."""
    return _("This recipe lies outside what was probed, so its quality is not predicted. Measure it.")


def ratio(nll: float | None) -> float | None:
    """Of perplexities, from a difference of losses; None is an open end, and so is what no float holds."""
    return None if nll is None or nll > LARGEST_EXPONENT else math.exp(nll)


def _as_speed(timed: pairs.Pair) -> pairs.Pair:
    """Tokens per second, in which speed is also predicted, from milliseconds per token."""
    base, value = _rate(timed.base), _rate(timed.candidate)
    low, high = _rate(timed.high), _rate(timed.low)  # the longest time is the lowest speed
    ends = _("middle 90%: {low} to {high}")
    before = "" if base is None else format.significant(base) if value else _per_second(base)
    return replace(
        timed, base=base, candidate=value, low=low, high=high, base_text=before,
        candidate_text="" if value is None else _per_second(value),
        interval=ends.format(low=format.significant(low), high=format.significant(high)) if low and high else "",
    )  # fmt: skip


def _rate(milliseconds: float | None) -> float | None:
    return 1000 / milliseconds if milliseconds else None


def _of_pair(pair: pairs.Pair) -> Tile:
    if pair.candidate is None:
        return Tile("unknown", format.not_measured(), _original(pair.base_text) if pair.base is not None else "")
    interval = _("so far: {windows}").format(windows=pair.so_far) if pair.so_far else pair.interval
    return Tile(
        "measured", pair.headline, _both(pair.base_text, pair.candidate_text), interval,
        *(finite(one) for one in (pair.base, pair.candidate, pair.low, pair.high)),
    )  # fmt: skip


def finite(value: float | None) -> float | None:
    """`value`; None for what JSON has no word for, such as the perplexity of a broken model."""
    return value if value is not None and math.isfinite(value) else None


def _quality(cell: PredictedCell, original: OriginalFigures) -> Tile:
    base, found = original.ppl, cell.ppl_ratio
    if found is None:
        return Tile("unknown", format.not_measured(), _original(format.number(base)) if base else "", base=base)
    low, high = (ratio(edge) for edge in cell.nll_band90 or (None, None))
    unit = base or 1.0
    if base is None:
        detail = _("{ratio} x the original").format(ratio=format.number(found))
    else:
        detail = _both(format.number(base), format.number(base * found))
    band = _band(format.change_range(low, high)) if low and high else _("no band")
    return Tile(
        "predicted", format.worse(found), detail, band, unit, unit * found, unit * low if low else None,
        unit * high if high else None,
    )  # fmt: skip


def _size(cell: PredictedCell, original: OriginalFigures) -> Tile:
    base, found = original.size_bytes, cell.size_bytes
    if found is None:
        return Tile("unknown", format.not_measured(), _original(format.megabytes(base)) if base else "")
    detail = _both(format.megabytes(base), format.megabytes(found))
    return Tile("predicted", format.smaller(found / base), detail, _("exact"), float(base), float(found))


def _speed(cell: PredictedCell, original: OriginalFigures) -> Tile:
    """In tokens per second, of which more is better, as a person feels it."""
    base = 1000 / original.decode_ms if original.decode_ms else None
    found = cell.decode_speedup
    if base is None or found is None:
        return Tile("unknown", format.not_measured(), _original(_per_second(base)) if base else not_timed(), base=base)
    low, high = cell.decode_speedup_band90 or (None, None)
    band = _band(_("{low} to {high} x").format(low=f"{low:.2f}", high=f"{high:.2f}")) if low and high else ""
    return Tile(
        "predicted", verdict.expected_speed(cell), _both(format.significant(base), _per_second(base * found)), band,
        base, base * found, base * low if low else None, base * high if high else None,
    )  # fmt: skip


def _per_second(value: float) -> str:
    return _("{count} tokens/s").format(count=format.significant(value))


def _original(value: str) -> str:
    return _("original {value}").format(value=value)


def _both(base: str, candidate: str) -> str:
    return f"{base} \N{RIGHTWARDS ARROW} {candidate}"


def _band(range: str) -> str:
    return _("90% band {range}").format(range=range)
