"""How the results of tasks are told on every page: a score, a difference with its interval, what flipped."""

from __future__ import annotations

from collections.abc import Sequence

from optlab.figures import format
from optlab.i18n import _
from optlab.results.tasks import TaskResult

Table = dict[str, list[str]]


def by_recipe(rows: Sequence[tuple[str, TaskResult]]) -> Table:
    """One task: a row for the original, and one for each recipe."""
    _first, result = rows[0]
    name = metric(result)
    table: Table = {
        _("Recipe"): [_("original")], name: [score(result, result.base.score)],
        _("95% interval"): [interval(result, result.base.ci95)], _("Change"): [""], _("Flipped answers"): [""],
    }  # fmt: skip
    for title, one in rows:
        cells = [title, score(one, one.candidate.score), interval(one, one.candidate.ci95), difference(one), flips(one)]
        for column, cell in zip(table.values(), cells, strict=True):
            column.append(cell)
    return table


def metric(result: TaskResult) -> str:
    """What the score is."""
    return {
        "accuracy": _("Accuracy"), "stereotyped": _("Stereotypes preferred"), "nats_per_token": _("Nats per token"),
        "word_error_rate": _("Word error rate"),
    }.get(result.metric, result.metric)  # fmt: skip


def score(result: TaskResult, value: float) -> str:
    """A score in its unit."""
    return f"{value:.3f}" if result.metric == "nats_per_token" else format.percent(value)


def interval(result: TaskResult, ends: Sequence[float] | None) -> str:
    """The interval of a score; empty where there is none."""
    if ends is None:
        return ""
    return _("{low} to {high}").format(low=score(result, ends[0]), high=score(result, ends[1]))


def difference(result: TaskResult) -> str:
    """Compressed minus original, with its paired interval."""
    delta = result.delta
    if result.metric == "nats_per_token":
        ends = "" if delta.ci95 is None else f" ({delta.ci95[0]:+.3f} ... {delta.ci95[1]:+.3f})"
        return _("{nats} nats per token").format(nats=f"{delta.score:+.3f}") + ends
    ends = "" if delta.ci95 is None else f" ({delta.ci95[0] * 100:+.1f} ... {delta.ci95[1] * 100:+.1f})"
    return _("{points} points").format(points=f"{delta.score * 100:+.1f}") + ends


def flips(result: TaskResult) -> str:
    """Answers that changed, in words."""
    if result.metric != "accuracy":
        return ""
    told = _("{lost} lost, {won} won").format(lost=result.delta.lost, won=result.delta.won)
    if not result.delta.moved:
        return told
    return _("{flips}, {moved} wrong otherwise").format(flips=told, moved=result.delta.moved)


def how_many(result: TaskResult) -> str:
    """Questions, what guessing would score, and a warning where the score can tell nothing."""
    told = [_("{count} questions.").format(count=result.questions)]
    floor = max(result.chance or 0.0, result.always_the_same or 0.0)
    if result.metric == "accuracy":
        told.append(
            _("Guessing, or always giving the most common answer, would score {share}.").format(
                share=format.percent(floor)
            )
        )
    if not result.told:
        told.append(_("The original is not better than that here, so the score cannot show a loss; what flipped can."))
    return " ".join(told)
