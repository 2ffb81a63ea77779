"""The original and everything measured of it as one table, the recommended row marked."""

from __future__ import annotations

from collections.abc import Sequence

from optlab.figures import format, pairs
from optlab.i18n import _, said
from optlab.jobs.measured import MeasuredRun
from optlab.report.markup import Markup, element, joined, table


def html(runs: Sequence[MeasuredRun], recommended: int | None) -> Markup:
    """runs: of one model on one text. The original's row holds what the newest of them measured of it: its perplexity
    depends on how many tokens were read. Each run timed its own original, beside which alone its time means something:
    the original's row says between which times it was, and every other row has both."""
    head = [_("Recipe"), _("Size"), _("Perplexity"), _("95% interval"), _("Latency"), _("Top-1 agreement")]
    quality, size, _latency = pairs.of(runs[0].result)
    rows: list[Sequence[str]] = [
        [_("original"), size.base_text, quality.base_text, "", _times(runs), format.percent(1.0)]
    ]
    rows += [_row(run, run.id == recommended) for run in runs if not run.spec.recipe.is_original]
    return table(head, rows)


def _row(run: MeasuredRun, is_recommended: bool) -> Sequence[str]:
    quality, size, latency = pairs.of(run.result)
    interval = run.result.delta.ppl_ratio_ci95
    name = f"#{run.id} {said(run.title)}"
    return [
        joined([name, element("br"), element("span", _("recommended"), class_="badge")]) if is_recommended else name,
        _cell(size), _cell(quality), "" if interval is None else format.change_range(*interval),
        _cell(latency, f"{latency.base_text} \N{RIGHTWARDS ARROW} {latency.candidate_text}"),
        format.percent(run.result.delta.top1_agreement),
    ]  # fmt: skip


def _times(runs: Sequence[MeasuredRun]) -> str:
    """What the original took, in the fastest and in the slowest of its timings."""
    bases = [pairs.latency(run.result) for run in runs]
    timed = sorted((one for one in bases if one.base is not None), key=lambda one: one.base or 0.0)
    if not timed:
        return format.not_measured()
    first, last = timed[0].base_text, timed[-1].base_text
    return first if first == last else _("{low} to {high}").format(low=first, high=last)


def _cell(pair: pairs.Pair, words: str = "") -> Markup:
    if not pair.complete:
        return element("span", format.not_measured(), class_="muted")
    return joined([words or pair.candidate_text, element("br"), element("span", pair.headline, class_="muted")])
