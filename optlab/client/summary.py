"""A measurement in a few lines of plain text, as the command line prints it."""

from __future__ import annotations

import math
from typing import Any

from optlab.results.latency_grid import LatencyGrid
from optlab.results.measurement import Measurement


def in_words(result: Measurement) -> str:
    """A measurement as a small table; what was not measured says so."""
    base, candidate, delta = result.baseline, result.compressed, result.delta
    rows = [
        ("perplexity", base.ppl, candidate.ppl, "{:.3f}"),
        ("bits per byte", base.bits_per_byte, candidate.bits_per_byte, "{:.4f}"),
        ("size, bytes", base.size_bytes, candidate.size_bytes, "{:,}"),
        ("decode, ms per token", base.decode_ms_per_token, candidate.decode_ms_per_token, "{:.2f}"),
        ("prefill, tokens/s", base.prefill_tokens_per_s, candidate.prefill_tokens_per_s, "{:.0f}"),
        ("peak memory, bytes", base.peak_rss_bytes, candidate.peak_rss_bytes, "{:,}"),
    ]

    def cell(value: float | None, form: str) -> str:
        return "not measured" if value is None else form.format(value)

    lines = [f"{result.model} on {result.text}: {result.windows} windows of {result.context} tokens, "
             f"{result.dtype}"]  # fmt: skip
    if result.begins_with:
        lines.append(f"every window begins with {' '.join(result.begins_with)}, which is not counted")
    if result.lookalikes:
        lines.append(
            f"{result.lookalikes} times the text holds what looks like a special token; it was read as characters"
        )
    lines.append(f"{'':22}{'original':>18}{'compressed':>18}")
    lines += [f"{name:22}{cell(a, form):>18}{cell(b, form):>18}" for name, a, b, form in rows]
    interval = delta.ppl_ratio_ci95
    band = f"95 % interval {interval[0]:.4f} to {interval[1]:.4f} (paired)" if interval else "one window: no interval"
    lines.append(f"perplexity ratio {delta.ppl_ratio:.4f}, {band}")
    lines.append(f"KL divergence {delta.kl_mean:.5f} nats, same first choice {delta.top1_agreement:.1%}")
    if delta.decode_speedup is not None:
        ends = delta.decode_speedup_ci95
        band = f"95 % interval {ends[0]:.3f} to {ends[1]:.3f} (rounds in turns)" if ends else "one round: no interval"
        lines.append(f"decodes {delta.decode_speedup:.3f} times as fast, {band}")
    if result.latency is not None:
        for side, timed in (("base", result.latency.base), ("candidate", result.latency.candidate)):
            lines.append(f"timed ({side}): {'; '.join([timed.path, *timed.notes])}")
    if result.checkpoint_note:
        lines.append(f"note: {result.checkpoint_note}")
    lines.append(f"saved in {result.artefact}")
    return "\n".join(lines)


def frontier_in_words(result: dict[str, Any]) -> str:
    """The points of a frontier as a table; one point with its recipe."""
    lines = [f"{'bytes':>13}  {'predicted ratio':>15}  {'90% band':>17}  {'ms/token':>8}   all predicted, not measured"]
    for point in result["points"]:
        ratio, band, speed = point["ppl_ratio"], point["nll_band90"], point["decode_ms_per_token"]
        ends = "" if band is None else f"{_ratio(band[0])} to {_ratio(band[1])}"
        known = "measure" if ratio is None else f"{ratio:.4f}"
        lines.append(
            f"{point['size_bytes']:>13,}  {known:>15}  {ends:>17}  {'' if speed is None else f'{speed:.2f}':>8}"
        )
    if len(result["points"]) == 1:
        from optlab.recipes import Recipe

        lines += ["", Recipe.from_dict(result["points"][0]["recipe"]).to_yaml().rstrip()]
    return "\n".join(lines)


def _ratio(nll: float | None) -> str:
    """exp of a difference of losses; a word where it is open or beyond reading."""
    return f"{math.exp(nll):.3f}" if nll is not None and nll < 10 else "any"


def prediction_in_words(result: dict[str, Any]) -> str:
    """A prediction in a few lines; what is not predicted says so."""
    lines = [f"{result['model']}: predicted, not measured"]
    if not result["inside_probed_range"]:
        return "\n".join([*lines, f"no prediction: {result['reason']}; measure it"])
    delta = result["delta"]
    low, high = delta["ppl_ratio_band90"]
    lines.append(f"perplexity ratio {delta['ppl_ratio']:.4f}, 90 % band {low:.4f} to {high:.4f}")
    lines.append(f"KL divergence {delta['kl_mean']:.5f} nats; size {result['size_bytes']:,} bytes")
    if result["decode_ms_per_token"] is not None:
        low, high = result["decode_band90"]
        lines.append(f"decoding {result['decode_ms_per_token']:.2f} ms per token, 90 % band {low:.2f} to {high:.2f}")
    ledger = result["ledger"]
    lines.append(f"record: {ledger['inside']} of {ledger['measured']} measurements lay inside their band")
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
