"""The frontier's chart shows percents on a logarithmic axis, with an end for what is no worse."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pandas import DataFrame

from optlab.figures import frontier, style
from optlab.prediction.frontier import Point
from optlab.prediction.predictor import Prediction
from optlab.recipes import Recipe


def point(size: int, ratio: float, band: tuple[float, float]) -> Point:
    recipe = Recipe()
    return Point(recipe, Prediction("nano", recipe, None, size, math.log(ratio), band))


MEASURED = DataFrame(
    {
        "size_bytes": [3, 9], "ppl_ratio": [1.2, 0.999], "low": [1.15, 0.998], "high": [1.3, None],
        "recipe": ["rtn 2 bits", "rtn 8 bits"],
    }
)  # fmt: skip


def drawn() -> Any:
    points = [point(3, 1.5, (0.1, math.inf)), point(5, 1.05, (0.02, 0.1)), point(9, 0.9999, (-0.001, 0.001))]
    return frontier.chart(frontier.frame(points), MEASURED, points[1])


def test_heights_are_percents_and_what_is_no_worse_lies_on_the_floor() -> None:
    band, predicted, measured, answer = drawn().data
    assert list(predicted.y) == pytest.approx([50.0, 5.0, frontier.FLOOR])
    assert list(measured.y) == pytest.approx([20.0, frontier.FLOOR])
    assert list(answer.y) == pytest.approx([5.0])
    assert (predicted.line.color, measured.marker.color) == (style.PREDICTED, style.MEASURED)
    assert list(band.y)[2:4] == pytest.approx([100 * (math.exp(0.001) - 1), frontier.FLOOR])


def test_error_bars_end_where_the_interval_does() -> None:
    measured = drawn().data[2]
    assert measured.y[0] + measured.error_y.array[0] == pytest.approx(30.0)
    assert measured.y[0] - measured.error_y.arrayminus[0] == pytest.approx(15.0)
    assert (measured.error_y.array[1], measured.error_y.arrayminus[1]) == (0.0, 0.0)


def test_a_band_without_an_upper_edge_reaches_the_top() -> None:
    band = drawn().data[0]
    assert band.y[0] == pytest.approx(100 * (frontier.WORST - 1))
    assert math.isfinite(max(band.y))


def test_every_tick_says_what_it_stands_for() -> None:
    axis = drawn().layout.yaxis
    assert len(axis.tickvals) == len(axis.ticktext)
    assert axis.ticktext[0] == "≤ 0.05%"
    assert dict(zip(axis.tickvals, axis.ticktext, strict=True))[1.0] == "1%"
