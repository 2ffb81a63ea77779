"""Speed against the number of texts at once; and every timing beside what memory and arithmetic allow (the roofline).

Roofline: Williams, Waterman and Patterson 2009 (10.1145/1498765.1498785). A program that computes I operations for each
byte that it reads is no faster than min(bandwidth I, operations per second). Decoding one text lies far to the left,
where bytes decide; a prompt and many texts lie to the right, where they do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import format, style
from optlab.figures.limit import step_bytes
from optlab.i18n import _
from optlab.results.latency_grid import LatencyGrid

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

SIDES = {"base": style.BASE, "candidate": style.MEASURED}
OPERATIONS = 2
"""Of a weight and an input: a multiplication and an addition."""
NEW_TOKENS_SEEN = 8
"""Positions that decoding adds to the prompt, on average over the tokens that are timed."""
ROOF_POINTS = 60


def side_name(side: str) -> str:
    """What a side of a result is called."""
    return {"base": _("original"), "candidate": _("compressed")}[side]


def table(result: LatencyGrid) -> DataFrame:
    """For people: a row for each prompt length and batch, both sides beside each other."""
    from pandas import DataFrame

    rows = []
    for number, base in enumerate(result.cells.base):
        row: dict[str, float] = {_("prompt, tokens"): base.prompt_tokens, _("batch size"): base.batch}
        for side, cells in result.cells.sides():
            if number < len(cells):
                name = side_name(side)
                row[_("{side}: tokens/s").format(side=name)] = round(cells[number].tokens_per_s, 1)
                row[_("{side}: first token, ms").format(side=name)] = round(cells[number].time_to_first_token_ms, 1)
        if (gain := _speedup(result, number)) is not None:
            row[_("times faster")] = round(gain, 2)
        rows.append(row)
    return DataFrame(rows)


def _speedup(result: LatencyGrid, number: int) -> float | None:
    """The paired speed-up at a size; None where it was not measured as one."""
    cells = result.cells.candidate or ()
    return cells[number].speedup if number < len(cells) else None


def by_batch(result: LatencyGrid, prompt_tokens: int) -> Figure:
    """Tokens per second of all texts together against their number, at one prompt length; bars: 5th to 95th percentile
    of the timings."""
    traces = []
    for side, cells in result.cells.sides():
        some = [cell for cell in cells if cell.prompt_tokens == prompt_tokens]
        speed = [cell.tokens_per_s for cell in some]
        high, low = ([1000 * cell.batch / getattr(cell, f"step_ms_{end}") for cell in some] for end in ("p5", "p95"))
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": side_name(side), "x": [c.batch for c in some],
            "y": speed, "line": {"color": SIDES[side]}, "marker": {"size": 9},
            "error_y": {
                "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                "array": [b - a for a, b in zip(speed, high, strict=True)],
                "arrayminus": [a - b for a, b in zip(speed, low, strict=True)],
            },
            "customdata": [[format.milliseconds(c.step_ms), format.milliseconds(c.time_to_first_token_ms)]
                           for c in some],
            "hovertemplate": _("batch %{x}: %{y:.4s} tokens/s in total, one token each in %{customdata[0]}<br>first "
                               "token after %{customdata[1]}")
            + f"<extra>{side_name(side)}</extra>",
        })  # fmt: skip
    batches = sorted({cell.batch for _side, cells in result.cells.sides() for cell in cells})
    return style.figure(
        height=320, data=traces,
        x={"title": {"text": _("batch size")}, "type": "log", "tickmode": "array", "tickvals": batches,
           "ticktext": [str(batch) for batch in batches]},
        y={"title": {"text": _("new tokens per second, whole batch")}, "rangemode": "tozero"},
    )  # fmt: skip


def points(result: LatencyGrid) -> DataFrame:
    """side, work ('decode' or 'prompt'), prompt_tokens, batch, intensity (operations per byte read) and speed
    (operations per second) of every timing whose bytes are known.

    A prompt's attention and its keys and values are not counted: they are small beside its weights.
    """
    from pandas import DataFrame

    rows = []
    ways = dict(result.sides.sides())
    for side, cells in result.cells.sides():
        told = ways[side]
        weights, bytes_read = told.weights_per_token, told.bytes_per_token
        if not weights or not bytes_read:
            continue
        for cell in cells:
            batch, length = cell.batch, cell.prompt_tokens
            operations = OPERATIONS * weights * batch
            step = step_bytes(told, length + NEW_TOKENS_SEEN, batch)
            assert step is not None
            at = {"side": side, "prompt_tokens": length, "batch": batch}
            rows.append(at | {"work": "decode", "intensity": operations / step,
                              "speed": operations / (cell.step_ms / 1000)})  # fmt: skip
            if batch == 1:  # prompts are read one after the other, so more of them say the same
                rows.append(at | {"work": "prompt", "intensity": OPERATIONS * weights * length / bytes_read,
                                  "speed": OPERATIONS * weights * cell.prefill_tokens_per_s})  # fmt: skip
    columns = ["side", "work", "prompt_tokens", "batch", "intensity", "speed"]
    return DataFrame(rows, columns=columns)


def roofline(result: LatencyGrid) -> Figure | None:
    """The limits of this machine and every timing under them; None where bytes or bandwidth are not known."""
    found, limits = points(result), result.limits
    if found.empty or not limits.read_bytes_per_s:
        return None
    ends = (found["intensity"].min() / 2, found["intensity"].max() * 2)
    steps = [ends[0] * (ends[1] / ends[0]) ** (i / (ROOF_POINTS - 1)) for i in range(ROOF_POINTS)]
    roof = [min(limits.read_bytes_per_s * x, limits.operations_per_s or math.inf) for x in steps]
    traces: list[dict[str, object]] = [{
        "type": "scatter", "mode": "lines", "x": steps, "y": roof, "name": _("this machine's limit"),
        "line": {"color": style.category(0), "width": 2, "dash": "dash"}, "hoverinfo": "skip",
    }]  # fmt: skip
    for side in dict.fromkeys(found["side"]):
        for work, symbol, name in (("decode", "circle", _("new tokens")), ("prompt", "diamond", _("prompts"))):
            some = found[(found["side"] == side) & (found["work"] == work)]
            traces.append({
                "type": "scatter", "mode": "markers", "name": f"{side_name(side)}: {name}",
                "x": list(some["intensity"]), "y": list(some["speed"]),
                "marker": {"color": SIDES[side], "symbol": symbol, "size": 9},
                "customdata": [list(row) for row in zip(some["batch"], some["prompt_tokens"], strict=True)],
                "hovertemplate": _("batch %{customdata[0]}, prompt of %{customdata[1]} tokens<br>%{x:.3s} operations "
                                   "per byte, %{y:.3s} operations/s") + f"<extra>{side_name(side)}: {name}</extra>",
            })  # fmt: skip
    return style.figure(
        height=380, data=traces, margin={"l": 8, "r": 8, "t": 56, "b": 8},
        x={"title": {"text": _("operations for each byte read")}, "type": "log"},
        y={"title": {"text": _("operations per second")}, "type": "log", "tickformat": ".2s"},
    )  # fmt: skip


def sentence(result: LatencyGrid) -> str:
    """What the grid teaches: how the advantage changes from one text to many."""
    cells = result.cells.candidate or ()
    gains = [(cell.batch, cell.prompt_tokens, cell.speedup) for cell in cells if cell.speedup is not None]
    if not gains:
        return ""
    one, many = _gain(gains, min), _gain(gains, max)
    return _(
        "At batch size 1 the compressed model: {one}; at {count}: {many}. A single text waits for weights from "
        "memory; a batch shares each weight, so arithmetic decides."
    ).format(one=format.faster(one), many=format.faster(many), count=max(batch for batch, _length, _gain in gains))


def _gain(gains: Sequence[tuple[int, int, float]], which: Any) -> float:
    """The median gain over prompt lengths at the smallest or largest batch."""
    batch = which(batch for batch, _length, _gained in gains)
    some = sorted(gained for count, _length, gained in gains if count == batch)
    return some[len(some) // 2]
