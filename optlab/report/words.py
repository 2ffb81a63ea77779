"""The sentences of a report: how it was measured, where, and what each figure means."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from optlab import __version__
from optlab.figures import format
from optlab.figures.limit import sentence as limit
from optlab.i18n import _, plural, said
from optlab.report.comparison import Comparison
from optlab.store.run import Run


def introduction(comparison: Comparison) -> str:
    """What the reader has before them."""
    return _("{runs} on the text {text}, by OptLab {version}. No figure is a prediction. Made {when}.").format(
        runs=plural("{count} measurement", "{count} measurements", len(comparison.runs)),
        text=comparison.text, version=__version__, when=format.moment(time.time()),
    )  # fmt: skip


def made(run: Run) -> str:
    """When and how one run was made."""
    result = run.result or {}
    parts = [
        _("measured {when}").format(when=format.moment(run.finished)),
        _("{count} tokens in windows of {context}").format(
            count=format.amount(result.get("tokens") or 0), context=result.get("context")),
        str(result.get("dtype") or ""),
        _("seed {seed}").format(seed=result.get("seed")),
        _("calibrated on {text}").format(text=result["calibration"]) if result.get("calibration") else "",
        _("stopped early, the interval was narrow enough") if result.get("stopped_early") else "",
    ]  # fmt: skip
    return " · ".join(part for part in parts if part)


def notes(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know besides the figures."""
    found = [said(str(result["checkpoint_note"]))] if result.get("checkpoint_note") else []
    found += [said(str(note)) for note in result.get("notes") or []]
    if limited := limit(result):
        found.append(limited)
    for side in (result.get("latency") or {}).values():
        found += [said(str(note)) for note in (side or {}).get("notes") or [] if said(str(note)) not in found]
    return found


def environment(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The machine and the versions, as rows of a table."""
    recorded = result.get("environment") or {}
    rows = [(str(name).replace("_", " "), _shown(name, value)) for name, value in recorded.items()
            if name != "versions" and not isinstance(value, (Mapping, list))]  # fmt: skip
    versions = {**(result.get("versions") or {})}
    rows += [(str(name), str(version)) for name, version in versions.items()]
    return rows


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if name.endswith(("_bytes", "bytes_per_s")):
        return format.megabytes(value) + ("/s" if name.endswith("per_s") else "")
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def meanings() -> list[tuple[str, str]]:
    """The figures and their definitions."""
    return [
        (_("Perplexity"),
         _("exp of the mean negative log-likelihood per token of a text that calibrated nothing. Lower is better. The "
           "ratio is of the compressed over the original model.")),
        (_("95 % interval"),
         _("Of the ratio, from the differences of both models on the same windows of text (paired), because two "
           "separate error bars would hide most of what is known.")),
        (_("Size"),
         _("Bytes of the weights file as written, with scales, zero points and indices. Zeros that are stored as "
           "numbers save nothing.")),
        (_("Latency"),
         _("Milliseconds for each new token, one text at a time; both models were timed in turns with nothing else "
           "computing.")),
        (_("Same top word"), _("The share of positions where both models put the same token first.")),
    ]  # fmt: skip
