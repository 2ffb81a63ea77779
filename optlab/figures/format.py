"""Numbers as people read them: '74 MB', '3.6 x smaller', '2.1% worse'; the exact value is kept for the hover.

Megabytes are a million bytes, as file managers and model hubs count them. A quantity that was not measured is None and
becomes words, never a zero.
"""

from __future__ import annotations

import math
import time

from optlab.i18n import _


def not_measured() -> str:
    """What stands where a number is missing."""
    return _("not measured yet")


def significant(value: float, digits: int = 3) -> str:
    """`value` with that many significant digits and thousands separated: 0.0123, 4.57, 135,000."""
    if not math.isfinite(value):
        return _("beyond measure")
    if value == 0:
        return "0"
    if abs(value) >= 1e7:
        return f"{value:.2e}"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{min(places, 6)}f}"


def exact(value: float | None, unit: str = "") -> str:
    """Every digit that is known, for hovers: '74,291,456 bytes'."""
    if value is None:
        return not_measured()
    number = f"{int(value):,}" if math.isfinite(value) and value == int(value) else f"{value:,.6g}"
    return f"{number} {unit}".strip()


def megabytes(count: float | None) -> str:
    """Bytes as '12 kB', '74.3 MB' or '1.2 GB'."""
    if count is None:
        return not_measured()
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{significant(count / size)} {unit}"
    return f"{count:.0f} B"


def milliseconds(value: float | None) -> str:
    """Milliseconds as '12.3 ms'."""
    return not_measured() if value is None else f"{significant(value)} ms"


def number(value: float | None, digits: int = 4) -> str:
    """A plain figure such as a perplexity."""
    return not_measured() if value is None else significant(value, digits)


def amount(count: float) -> str:
    """A count of parameters or tokens, as people name models: '134.5 M', '7.24 B', '4,096'."""
    if count >= 1e9:
        return _("{n} B").format(n=significant(count / 1e9))
    if count >= 1e6:
        return _("{n} M").format(n=significant(count / 1e6, 4 if count >= 1e8 else 3))
    return f"{count:,.0f}"


def smaller(ratio: float | None) -> str:
    """Size of the candidate over size of the original, in words: '3.6 x smaller'."""
    return _times(ratio, _("{n} x smaller"), _("{n} x larger"), _("same size"))


def faster(speedup: float | None) -> str:
    """Time of the original over time of the candidate, in words: '1.8 x faster'."""
    return _times(1 / speedup if speedup else None, _("{n} x faster"), _("{n} x slower"), _("same speed"))


def as_good() -> str:
    """Of a quality that no figure tells from the original's."""
    return _("as good as the original")


def worse(ratio: float | None) -> str:
    """Perplexity of the candidate over that of the original, in words: '2.1% worse', '31 x worse'."""
    if ratio is None:
        return not_measured()
    if not math.isfinite(ratio):
        return _("worse beyond measure") if ratio > 0 else significant(ratio)
    if ratio >= 3:
        return _("{n} x worse").format(n=significant(ratio, 2 if ratio < 100 else 3))
    if float(_percent(abs(ratio - 1))) == 0:
        return as_good()
    return (_("{n}% worse") if ratio >= 1 else _("{n}% better")).format(n=_percent(abs(ratio - 1)))


def change(ratio: float) -> str:
    """A ratio as signed percent: '+2.1%', '-0.3%', '0.00%' without a sign; beyond three times as 'x 31'."""
    if not math.isfinite(ratio):
        return significant(ratio)
    if ratio >= 3:
        return f"x {significant(ratio, 3)}"
    size = _percent(abs(ratio - 1))
    sign = "" if float(size) == 0 else "+" if ratio > 1 else "-"
    return f"{sign}{size}%"


def change_range(low: float, high: float) -> str:
    """An interval of ratios: '+1.8 to +2.4%'."""
    return _("{low} to {high}").format(low=change(low), high=change(high))


def percent(share: float | None) -> str:
    """A share of one as '87.5%'."""
    if share is None:
        return not_measured()
    return f"{_percent(share)}%" if math.isfinite(share) else significant(share)


def duration(seconds: float | None) -> str:
    """'0.4 s', '12 s', '2 min 10 s', '1 h 5 min'; nothing for what is no duration."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 10:
        return _("{count} s").format(count=f"{seconds:.1f}")
    if seconds < 60:
        return _("{count} s").format(count=f"{seconds:.0f}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=rest)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def roughly(seconds: float) -> str:
    """A duration that is expected, no finer than it is known: '25 s', '90 s', '4 min', '1 h 10 min'."""
    if seconds < 100:
        return _("{count} s").format(count=max(5 * round(seconds / 5), 5))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{count} min").format(count=minutes)
    hours, rest = divmod(10 * round(minutes / 10), 60)
    return (
        _("{hours} h {minutes} min").format(hours=hours, minutes=rest) if rest else _("{count} h").format(count=hours)
    )


def moment(when: float | None) -> str:
    """Seconds since 1970 as local date and time; nothing for what no calendar holds."""
    return "" if when is None else _local(when, "%Y-%m-%d %H:%M")


def clock(when: float) -> str:
    """Seconds since 1970 as local time of day; nothing for what no calendar holds."""
    return _local(when, "%H:%M:%S")


def _local(when: float, pattern: str) -> str:
    try:
        return time.strftime(pattern, time.localtime(when))
    except (ValueError, OverflowError, OSError):  # a damaged row
        return ""


def _percent(share: float) -> str:
    return f"{share * 100:.2f}" if share < 0.01 else f"{share * 100:.1f}" if share < 1 else f"{share * 100:.0f}"


def _times(ratio: float | None, less: str, more: str, same: str) -> str:
    """ratio: new over old."""
    if ratio is None or ratio <= 0:
        return not_measured()
    if not math.isfinite(ratio):
        return significant(ratio)
    factor = 1 / ratio if ratio < 1 else ratio
    if factor < 1.005:
        return same
    shown = f"{factor:.2f}" if factor < 1.95 else f"{factor:.1f}" if factor < 100 else f"{factor:,.0f}"
    return (less if ratio < 1 else more).format(n=shown)
