"""A measurement in a few lines of plain text, as the command line prints it."""

from __future__ import annotations

import math

from optlab.jobs.measure_plan import Expectation
from optlab.results import table
from optlab.results.comparison import Comparison
from optlab.results.estimate import TargetEstimate, TargetEstimates
from optlab.results.forecast import Forecast
from optlab.results.latency_grid import LatencyGrid
from optlab.results.measurement import Measurement
from optlab.results.prediction import FrontierPoints, PredictedWithRecord
from optlab.results.recipe import known as known_recipe


def in_words(result: Measurement) -> str:
    """A measurement as a small table; what was not measured says so."""
    return table.text(result)


def comparison_in_words(result: Comparison) -> str:
    """A comparison as a small table, as a measurement."""
    return table.text(result)


def frontier_in_words(result: FrontierPoints) -> str:
    """The points of a frontier as a table; one point with its recipe."""
    lines = [f"{'bytes':>13}  {'predicted ratio':>15}  {'90% band':>17}  {'ms/token':>8}   all predicted, not measured"]
    for point in result.points:
        band, speed = point.nll_band90, point.decode_ms_per_token
        ends = "" if band is None else f"{_ratio(band[0])} to {_ratio(band[1])}"
        known = "measure" if point.ppl_ratio is None else f"{point.ppl_ratio:.4f}"
        lines.append(f"{point.size_bytes:>13,}  {known:>15}  {ends:>17}  {'' if speed is None else f'{speed:.2f}':>8}")
    if len(result.points) == 1:
        lines += ["", known_recipe(result.points[0].recipe).to_yaml().rstrip()]
    return "\n".join(lines)


def _ratio(nll: float | None) -> str:
    """exp of a difference of losses; a word where it is open or beyond reading."""
    return f"{math.exp(nll):.3f}" if nll is not None and nll < 10 else "any"


def prediction_in_words(result: PredictedWithRecord) -> str:
    """A prediction in a few lines; what is not predicted says so."""
    lines, delta = [f"{result.model}: predicted, not measured"], result.delta
    if delta is None:
        size = [] if result.size_bytes is None else [f"size {result.size_bytes:,} bytes"]
        return "\n".join([*lines, f"no prediction of quality: {result.reason}; measure it", *size])
    low, high = map(_ratio, delta.nll_band90)
    lines.append(f"perplexity ratio {delta.ppl_ratio:.4f}, 90% band {low} to {high}")
    divergence = "" if delta.kl_mean is None else f"KL divergence {delta.kl_mean:.5f} nats; "
    lines.append(f"{divergence}size {result.size_bytes:,} bytes")
    if result.note:
        lines.append(f"note: {result.note}")
    if result.decode_ms_per_token is not None and result.decode_band90 is not None:
        ends = " to ".join("any" if end is None else f"{end:.2f}" for end in result.decode_band90)
        lines.append(f"decoding {result.decode_ms_per_token:.2f} ms per token, 90% band {ends}")
    record = result.ledger
    lines.append(f"record: {record.inside} of {record.measured} measurements lay inside their band")
    return "\n".join(lines)


def latency_grid_in_words(result: LatencyGrid) -> str:
    """A grid of latencies as a table, a row for each prompt length and batch."""
    sides = dict(result.cells.sides())
    names = {"base": "original", "candidate": "compressed"}
    lines = [f"{result.model}, {result.dtype} on {result.device}; tokens per second of all texts together"]
    columns = "".join(f"{f'{names[side]}: prompt':>22}{'new tokens':>12}{'first, ms':>11}" for side in sides)
    lines.append(f"{'prompt':>6}{'texts':>7}{columns}")
    for row, one in enumerate(result.cells.base):
        figures = "".join(
            f"{cells[row].prefill_tokens_per_s:>22.0f}{cells[row].tokens_per_s:>12.1f}"
            f"{cells[row].time_to_first_token_ms:>11.1f}"
            for cells in sides.values()
        )
        lines.append(f"{one.prompt_tokens:>6}{one.batch:>7}{figures}")
    lines += [f"timed ({side}): {'; '.join([one.path, *one.notes])}" for side, one in result.sides.sides()]
    return "\n".join(lines)


WAYS = {"whole": "whole in memory", "blocks": "block by block"}


def forecast_in_line(told: Expectation) -> str:
    """What a measurement will take, in one line."""
    return (
        f"{WAYS[told.way]}; about {told.seconds:.0f} s, {told.memory_bytes / 1e9:.1f} GB of memory and "
        f"{told.footprint.disk / 1e9:.2f} GB of disk"
    )


def forecast_in_words(told: Forecast) -> str:
    """The same, phase by phase."""
    lines = [f"{told.model}, {WAYS[told.way]}: foretold, nothing was measured"]
    lines += [f"{phase:10}{seconds:>9.0f} s" for phase, seconds in told.seconds.items()]
    lines += [f"{phase:10}{size / 1e9:>9.2f} GB of memory" for phase, size in told.memory_bytes.items()]
    seconds, most = sum(told.seconds.values()), max(told.memory_bytes.values())
    return "\n".join(
        [
            *lines,
            f"in all {seconds:.0f} s, at most {most / 1e9:.2f} GB of memory, {told.disk_bytes / 1e9:.2f} GB of disk",
        ]
    )


def targets_in_words(result: TargetEstimates) -> str:
    """Estimates as a table, a row for each device."""
    lines = [
        f"{result.model}, one text of {result.context} tokens: {result.weight_bytes:,} bytes of weights and "
        f"{result.cache_bytes:,} of keys and values; a token reads {result.read_bytes:,}",
        f"{'device':38}{'memory, GB':>11}{'left, GB':>10}{'GB/s':>7}   {'tokens/s, estimated':36}{'data from'}",
    ]
    for one in result.targets:
        left = f"{one.left_bytes / 1e9:.2f}" if one.fits else "too large"
        lines.append(
            f"{one.title:38}{one.memory_bytes / 1e9:>11.1f}{left:>10}{one.bandwidth / 1e9:>7.0f}   "
            f"{_speed_in_words(one):36}{one.source}"
        )
    return "\n".join(lines)


def _speed_in_words(one: TargetEstimate) -> str:
    rate = one.tokens
    if rate is None:
        return "not estimated" if one.fits else ""
    return f"{rate.per_s:.3g} ({rate.band[0]:.3g} to {rate.band[1]:.3g}; {rate.timings} timings)"
