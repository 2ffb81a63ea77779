"""Charts show the numbers of their frames, name their axes, and keep the colours' meaning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.figures import frames, layers, pairs, parts, style, tradeoff, worse_axis
from optlab.results.measurement import Measurement, MeasurementSoFar, QualitySoFar
from tests.pages import samples


@pytest.fixture
def result() -> Measurement:
    return samples.measurement(1.10, 5_000_000, 1.0, samples.quantized(4))


def record(run: int, ratio: float, size: int, decode_ms: float | None) -> dict[str, Any]:
    """decode_ms: of the compressed model, timed in turns with an original of 1 ms."""
    speedup = None if decode_ms is None else 1 / decode_ms
    return {
        "run": run, "model": "nano", "recipe": f"recipe {run}", "text": "shakespeare", "tokens": 8192,
        "dtype": "bfloat16", "baseline_size_bytes": 9_000, "compressed_size_bytes": size, "delta_ppl_ratio": ratio,
        "delta_ppl_ratio_ci95_low": ratio - 0.1, "delta_ppl_ratio_ci95_high": ratio + 0.2,
        "compressed_decode_ms_per_token": decode_ms, "finished": 0.0, "delta_decode_speedup": speedup,
        "delta_decode_speedup_ci95_low": speedup and 0.99 * speedup,
        "delta_decode_speedup_ci95_high": speedup and 1.01 * speedup,
    }  # fmt: skip


def test_bytes_add_up_to_those_of_all_layers() -> None:
    description = samples.description()
    figure = parts.bytes_by_block(frames.bytes_of(description))
    assert sum(value for bar in figure.data for value in bar.y) == sum(layer.bytes for layer in description.layers)
    assert figure.layout.barmode == "stack"
    assert figure.layout.xaxis.title.text == "block"


def test_components_are_named_and_in_the_order_of_the_data() -> None:
    figure = parts.bytes_by_block(frames.bytes_of(samples.description()))
    assert [bar.name for bar in figure.data] == ["embedding", "attention", "feed-forward", "normalization"]


def test_a_pair_has_the_ends_of_its_paired_interval(result: Measurement) -> None:
    base, candidate = pairs.quality(result).bars()
    assert base == ("base", 20.0, None, None)
    assert candidate[0] == "measured"
    assert candidate[1:] == pytest.approx((22.0, 20 * 1.10 * 0.99, 20 * 1.10 * 1.01))


def test_what_was_not_measured_is_words_not_zero(result: Measurement) -> None:
    untimed = samples.measurement(1.10, 5_000_000, None, samples.quantized(4))
    base = untimed.baseline.model_copy(update={"decode_ms_per_token": None})
    pair = pairs.latency(untimed.model_copy(update={"baseline": base}))
    assert (pair.base, pair.candidate) == (None, None)
    assert pair.candidate_text == pair.headline == "not measured yet"
    assert pair.bars() == []


def test_an_interval_that_contains_one_is_no_measurable_change(result: Measurement) -> None:
    delta = result.delta.model_copy(update={"ppl_ratio": 1.001, "ppl_ratio_ci95": (0.998, 1.004)})
    pair = pairs.quality(result.model_copy(update={"delta": delta}))
    assert (pair.headline, pair.interval) == ("no measurable change", "95% interval -0.20% to +0.40%")


def test_a_running_measurement_has_the_pairs_that_it_knows() -> None:
    known = QualitySoFar(
        windows_done=1, windows=16, ppl_base=20.0, ppl_candidate=21.0, nll_delta=0.05, nll_ci95=None, ppl_ratio=1.05,
        ppl_ratio_ci95=None, kl_mean=0.03, top1_agreement=0.93,
    )  # fmt: skip
    quality, size, latency = pairs.of(MeasurementSoFar(size_base=100, size_candidate=25, quality=known))
    assert (quality.base, quality.candidate, quality.headline, quality.interval) == (20.0, 21.0, "5.0% worse", "")
    assert size.headline == "4.0 x smaller"
    assert not latency.complete
    assert not any(pair.complete for pair in pairs.of(MeasurementSoFar()))


@pytest.mark.parametrize("quantity", layers.QUANTITIES)
def test_layers_are_drawn_in_the_order_of_the_model(result: Measurement, quantity: str) -> None:
    frame = frames.layers_of(result)
    (bar,) = layers.per_layer(frame, quantity).data
    assert list(bar.x) == [layer.name for layer in result.layers]
    assert list(bar.y) == [getattr(layer, quantity) for layer in result.layers]


def test_two_runs_are_laid_over_each_other(result: Measurement) -> None:
    figure = layers.per_layer(frames.overlay([("a", result), ("b", result)]), "output_error")
    assert [bar.name for bar in figure.data] == ["a", "b"]
    assert len({bar.marker.color for bar in figure.data}) == 2
    assert figure.layout.barmode == "group"


def test_a_result_without_layers_has_an_empty_frame(result: Measurement) -> None:
    assert frames.layers_of(result.model_copy(update={"layers": ()})).empty


def test_the_scatter_shows_size_quality_and_the_paired_interval() -> None:
    frame = frames.tradeoffs([record(1, 1.1, 5_000, 1.0), record(2, 1.5, 4_000, 2.0)])
    points, original, unbeaten = tradeoff.scatter(frame).data
    place = worse_axis.place
    assert list(points.x) == [5_000, 4_000]
    assert list(points.y) == [place(1.1), place(1.5)]
    assert list(points.error_y.array) == pytest.approx([place(1.3) - place(1.1), place(1.7) - place(1.5)])
    assert list(points.error_y.arrayminus) == pytest.approx([place(1.1) - place(1.0), place(1.5) - place(1.4)])
    assert (list(original.x), list(original.y)) == ([9_000], [0.0])
    assert list(unbeaten.x) == [4_000, 5_000]
    assert list(points.marker.color) == [1.0, 2.0]
    assert points.marker.size[1] > points.marker.size[0]
    assert [custom[0] for custom in points.customdata] == [1, 2]


def test_latencies_that_hardly_differ_look_alike() -> None:
    def sizes(*ms: float) -> list[float]:
        rows = [record(number, 1.1, 5_000, one) for number, one in enumerate(ms, 1)]
        return list(tradeoff.scatter(frames.tradeoffs(rows)).data[0].marker.size)

    noise, difference = sizes(1.00, 1.02), sizes(1.0, 3.0)
    assert noise[1] - noise[0] < 0.1 * (difference[1] - difference[0])
    assert tradeoff.SMALLEST < sizes(2.0, 2.0)[0] == sizes(2.0, 2.0)[1] < tradeoff.LARGEST


def test_a_machine_that_was_slow_one_day_colours_nothing() -> None:
    rows = [record(1, 1.1, 5_000, 0.5), record(2, 1.2, 4_000, 0.5) | {"compressed_decode_ms_per_token": 7.0}]
    points = tradeoff.scatter(frames.tradeoffs(rows)).data[0]
    assert points.marker.color[0] == points.marker.color[1] == 0.5
    assert [custom[5] for custom in points.customdata] == ["0.500 ms, 2.0 x faster", "7.00 ms, 2.0 x faster"]


def test_what_cannot_be_told_from_its_original_is_drawn_like_it() -> None:
    alike = record(1, 1.1, 5_000, 0.9) | {"delta_decode_speedup_ci95_low": 0.8}
    points = tradeoff.scatter(frames.tradeoffs([alike, record(2, 1.2, 4_000, 0.5)])).data[0]
    assert list(points.marker.color) == [1.0, 0.5]


def test_a_measurement_without_latency_is_an_open_circle() -> None:
    figure = tradeoff.scatter(frames.tradeoffs([record(1, 1.1, 5_000, 1.0), record(2, 1.5, 4_000, None)]))
    assert [trace.name for trace in figure.data][:2] == ["timed", "latency not measured"]
    assert figure.data[1].marker.symbol == "circle-open"
    assert figure.data[1].customdata[0][5] == "not measured yet"


def test_an_outlier_does_not_flatten_the_others() -> None:
    rows = [record(1, 1.02, 5_000, 1.0), record(2, 1.05, 4_000, 2.0), record(3, 900.0, 3_000, 1.0)]
    axis = tradeoff.scatter(frames.tradeoffs(rows)).layout.yaxis
    assert (worse_axis.place(1.05) - worse_axis.place(1.02)) / max(axis.tickvals) > 0.05
    assert (1.05 - 1.02) / 900 < 1e-4
    assert "0%" in axis.ticktext and axis.ticktext[-1].startswith("x")


def test_what_something_else_beats_in_both_is_not_on_the_line() -> None:
    rows = [record(1, 1.1, 5_000, None), record(2, 1.2, 6_000, None), record(3, 1.0, 7_000, None)]
    assert list(tradeoff.unbeaten(frames.tradeoffs(rows))["run"]) == [1, 3]


@given(st.lists(st.tuples(st.floats(0.5, 1e5), st.integers(1, 50)), min_size=1, max_size=30))
def test_the_line_is_the_pareto_front(points: list[tuple[float, int]]) -> None:
    frame = frames.tradeoffs([record(number, ratio, size, None) for number, (ratio, size) in enumerate(points)])
    best = set(zip(*(tradeoff.unbeaten(frame)[name] for name in ("ppl_ratio", "size_bytes")), strict=True))
    kept = {(a, b) for a, b in points if not any(c <= a and d <= b and (c, d) != (a, b) for c, d in points)}
    assert best == kept


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=20))
def test_the_axis_keeps_the_order_and_its_lines_reach_around_the_points(ratios: list[float]) -> None:
    places = [worse_axis.place(one) for one in sorted(ratios)]
    assert places == sorted(places) and worse_axis.place(1.0) == 0.0
    lines, labels = worse_axis.ticks(ratios)
    assert lines == sorted(set(lines)) and len(lines) == len(labels) and "0%" in labels
    assert max(ratios) <= 1 or max(lines) >= min(max(places), worse_axis.place(1e6))


def test_the_recommended_run_has_a_ring() -> None:
    frame = frames.tradeoffs([record(1, 1.1, 5_000, 1.0), record(2, 1.5, 4_000, 2.0)])
    ring = tradeoff.scatter(frame, marked=2).data[-1]
    assert (list(ring.x), list(ring.y)) == ([4_000], [worse_axis.place(1.5)])


def test_every_figure_of_a_result_is_in_the_table(result: Measurement) -> None:
    table = frames.figures_of(result).set_index("figure")
    assert table.loc["ppl", "original"] == "20"
    assert table.loc["ppl", "compressed"] == "22"
    assert table.loc["size_bytes", "compressed"] == "5,000,000"
    assert table.loc["delta: ppl_ratio_ci95", "compressed"] == "1.089 to 1.111"
    assert table.loc["details: ppl_base", "compressed"] == "20 \N{PLUS-MINUS SIGN} 0.4"
    assert table.loc["details: kl mean", "compressed"] == "0.05 \N{PLUS-MINUS SIGN} 0.001"
    assert table.loc["details: kl p99", "compressed"] == "0.05"
    assert not table.stack().str.contains("[{}]").any()
    assert table.loc["latency: decode_ms", "compressed"] == "1"


def test_categories_never_take_a_colour_that_has_a_meaning() -> None:
    assert not set(style.CATEGORIES) & set(style.MEANING.values())


def test_a_chart_may_choose_for_itself_what_the_layout_usually_is() -> None:
    assert style.figure(bargap=0).layout.bargap == 0
    assert style.figure().layout.bargap > 0
