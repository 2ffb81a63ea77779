"""A measurement in a few lines of plain text, as the command line prints it."""

from __future__ import annotations

from typing import Any


def in_words(result: dict[str, Any]) -> str:
    """The contract's JSON as a small table; what was not measured says so."""
    base, candidate, delta = result["baseline"], result["compressed"], result["delta"]
    rows = [
        ("perplexity", base["ppl"], candidate["ppl"], "{:.3f}"),
        ("bits per byte", base["bits_per_byte"], candidate["bits_per_byte"], "{:.4f}"),
        ("size, bytes", base["size_bytes"], candidate["size_bytes"], "{:,}"),
        ("decode, ms per token", base["decode_ms_per_token"], candidate["decode_ms_per_token"], "{:.2f}"),
        ("prefill, tokens/s", base["prefill_tokens_per_s"], candidate["prefill_tokens_per_s"], "{:.0f}"),
        ("peak memory, bytes", base["peak_rss_bytes"], candidate["peak_rss_bytes"], "{:,}"),
    ]

    def cell(value: float | None, form: str) -> str:
        return "not measured" if value is None else form.format(value)

    lines = [f"{result['model']} on {result['text']}: {result['windows']} windows of {result['context']} tokens, "
             f"{result['dtype']}"]  # fmt: skip
    lines.append(f"{'':22}{'original':>18}{'compressed':>18}")
    lines += [f"{name:22}{cell(a, form):>18}{cell(b, form):>18}" for name, a, b, form in rows]
    interval = delta["ppl_ratio_ci95"]
    band = f"95 % interval {interval[0]:.4f} to {interval[1]:.4f} (paired)" if interval else "one window: no interval"
    lines.append(f"perplexity ratio {delta['ppl_ratio']:.4f}, {band}")
    lines.append(f"KL divergence {delta['kl_mean']:.5f} nats, same first choice {delta['top1_agreement']:.1%}")
    for side in ("base", "candidate"):
        timed = (result["latency"] or {}).get(side)
        if timed:
            lines.append(f"timed ({side}): {'; '.join([timed['path'], *timed['notes']])}")
    if result.get("checkpoint_note"):
        lines.append(f"note: {result['checkpoint_note']}")
    lines.append(f"saved in {result['artefact']}")
    return "\n".join(lines)
