"""A measurement, or a comparison, as a small table: for a terminal, and for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from optlab.results.comparison import Comparison
    from optlab.results.measurement import Measurement

Paired: TypeAlias = "Measurement | Comparison"
"""A result of two models side by side."""
Row = tuple[str, str, str]
"""What a figure is called, the original's and the compressed model's."""


def rows(result: Paired) -> list[Row]:
    """The figures of both sides; what was not measured says so."""
    base, candidate = result.baseline, result.compressed
    figures = [
        ("perplexity", base.ppl, candidate.ppl, "{:.3f}"),
        ("bits per byte", base.bits_per_byte, candidate.bits_per_byte, "{:.4f}"),
        ("size, bytes", base.size_bytes, candidate.size_bytes, "{:,}"),
        ("decode, ms per token", base.decode_ms_per_token, candidate.decode_ms_per_token, "{:.2f}"),
        ("prefill, tokens/s", base.prefill_tokens_per_s, candidate.prefill_tokens_per_s, "{:.0f}"),
        ("peak memory, bytes", base.peak_rss_bytes, candidate.peak_rss_bytes, "{:,}"),
    ]
    return [(name, _cell(before, form), _cell(after, form)) for name, before, after, form in figures]


def head(result: Paired) -> list[str]:
    """What was read, and how."""
    lines = [
        f"{result.about} on {result.text}: {result.windows} windows of {result.context} tokens, {result.dtype}",
    ]
    if result.begins_with:
        lines.append(f"every window begins with {' '.join(result.begins_with)}, which is not counted")
    if result.lookalikes:
        lines.append(
            f"{result.lookalikes} times the text holds what looks like a special token; it was read as characters"
        )
    return lines


def findings(result: Paired) -> list[str]:
    """What the two sides say about each other, with intervals, and what must be known besides."""
    delta = result.delta
    lines = [
        f"perplexity ratio {delta.ppl_ratio:.4f}, " + _interval(delta.ppl_ratio_ci95, "{:.4f}", "paired", "one window"),
        f"KL divergence {delta.kl_mean:.5f} nats, same first choice {delta.top1_agreement:.1%}",
    ]
    for metric in result.metrics:
        ends = _interval(metric.ci95, "{:.4f}", "over windows", "one window")
        lines.append(f"{metric.name.replace('_', ' ')} {metric.mean:.4f}, {ends}")
    if delta.decode_speedup is not None:
        ends = _interval(delta.decode_speedup_ci95, "{:.3f}", "rounds in turns", "one round")
        lines.append(f"decodes {delta.decode_speedup:.3f} times as fast, {ends}")
    if result.latency is not None:
        for side, timed in (("base", result.latency.base), ("candidate", result.latency.candidate)):
            lines.append(f"timed ({side}): {'; '.join([timed.path, *timed.notes])}")
    return [*lines, *result.remarks]


def text(result: Paired) -> str:
    """For a terminal, English."""
    table = [("", "original", "compressed"), *rows(result)]
    return "\n".join(
        [*head(result), *(f"{name:22}{before:>18}{after:>18}" for name, before, after in table), *findings(result)]
    )


def html(result: Paired) -> str:
    """For a notebook, English."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(before)}</td><td>{escape(after)}</td></tr>"
        for name, before, after in rows(result)
    )
    return (
        f"<p>{'<br>'.join(map(escape, head(result)))}</p>"
        f"<table><thead><tr><th></th><th>original</th><th>compressed</th></tr></thead><tbody>{cells}</tbody></table>"
        f"<p>{'<br>'.join(map(escape, findings(result)))}</p>"
    )


def _cell(value: float | None, form: str) -> str:
    return "not measured" if value is None else form.format(value)


def _interval(ends: tuple[float, float] | None, form: str, how: str, alone: str) -> str:
    if ends is None:
        return f"{alone}: no interval"
    return f"95% interval {form.format(ends[0])} to {form.format(ends[1])} ({how})"
