"""The sentences of a report: how it was measured, where, and what each figure means."""

from __future__ import annotations

import time

from optlab import __version__
from optlab.advice.recommendation import Recommendation
from optlab.figures import format, glossary
from optlab.figures.limit import sentence as limit
from optlab.i18n import _, plural, said
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.resolution import title
from optlab.report.comparison import Comparison
from optlab.results.measurement import Measurement


def introduction(comparison: Comparison, predicts: bool) -> str:
    """What the reader has before them. predicts: the last chapter does."""
    told = _("{runs} on the text {text}, by OptLab {version}. Every figure is measured. Made {when}.")
    if predicts:
        told = _("{runs} on the text {text}, by OptLab {version}. Every figure is measured, but for the last chapter. "
                 "Made {when}.")  # fmt: skip
    return told.format(
        runs=plural("{count} measurement", "{count} measurements", len(comparison.measured)),
        text=title(comparison.text), version=__version__, when=format.moment(time.time()),
    )  # fmt: skip


def made(run: MeasuredRun) -> str:
    """When and how one run was made."""
    result = run.result
    parts = [
        _("measured {when}").format(when=format.moment(run.run.finished)),
        _("{count} tokens in windows of {context}").format(
            count=format.amount(result.tokens), context=result.context),
        result.dtype,
        _("seed {seed}").format(seed=result.seed),
        _("calibrated on {text}").format(text=result.calibration) if result.calibration else "",
        _("stopped early, the interval was narrow enough") if result.stopped_early else "",
    ]  # fmt: skip
    return " · ".join(part for part in parts if part)


def notes(result: Measurement) -> list[str]:
    """What a reader must know besides the figures, each once."""
    found = [said(result.checkpoint_note)] if result.checkpoint_note else []
    found += [said(note) for note in result.notes]
    if limited := limit(result):
        found.append(limited)
    if result.latency is not None:
        found += [said(note) for side in (result.latency.base, result.latency.candidate) for note in side.notes]
    return list(dict.fromkeys(found))


def chart(decided: Recommendation) -> str:
    """What the chart of the first page shows."""
    told = _("Lower left is better. Bars are 95% intervals, the colour is the time for each new token; the dotted line "
             "joins what no other beats in both size and quality.")  # fmt: skip
    return f"{told} {_('The ring marks what is recommended.')}" if decided.chosen is not None else told


def strip() -> str:
    """How to read the strip of a run."""
    return _("A strip is a model, layer by layer: the darker, the more bits; what is shaded below are zeros.")


def environment(result: Measurement) -> str:
    """The machine and the versions, in one paragraph."""
    names = {
        "processor": _("processor"), "cores": _("cores"), "memory_bytes": _("memory"), "system": _("system"),
        "threads": _("threads"), "load": _("load"), "read_bytes_per_s": _("memory reads"),
    }  # fmt: skip
    rows = [(names[name], _shown(name, value)) for name, value in result.environment
            if name in names and isinstance(value, str | int | float)]  # fmt: skip
    return " \N{MIDDLE DOT} ".join(f"{name} {value}" for name, value in [*rows, *result.versions.items()])


def _shown(name: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if name.endswith(("_bytes", "bytes_per_s")):
        return format.megabytes(value) + ("/s" if name.endswith("per_s") else "")
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def meanings() -> list[tuple[str, str]]:
    """The figures and their definitions."""
    return [
        (_("Perplexity"), f"{glossary.perplexity()} {glossary.perplexity_ratio()}"),
        (_("95% interval"), glossary.interval()),
        (_("Size"), glossary.size()),
        (_("Latency"), glossary.latency()),
        (_("Top-1 agreement"), glossary.top1_agreement()),
    ]
