"""How the results of tasks are told on pages and in reports: a score, a difference with its interval, what flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optlab.evaluation.task_tests import holm
from optlab.evaluation.tasks import tasks
from optlab.figures import format
from optlab.i18n import _
from optlab.results.tasks import TaskResult

LEVEL = 0.05
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


def by_task(rows: Sequence[tuple[str, TaskResult]]) -> Table:
    """One recipe: a row for each task. A star stands where more right answers were lost or won than luck explains, by
    McNemar's test as one of all of these."""
    told = [place for place, (_title, one) in enumerate(rows) if one.delta.lost + one.delta.won]
    corrected = holm([rows[place][1].delta.mcnemar_p for place in told])
    stars = {place: " *" for place, p in zip(told, corrected, strict=True) if p < LEVEL}
    return {
        _("Task"): [title for title, _one in rows],
        _("Measured as"): [metric(one) for _title, one in rows],
        _("original"): [score(one, one.base.score) for _title, one in rows],
        _("compressed"): [score(one, one.candidate.score) for _title, one in rows],
        _("Change"): [difference(one) + stars.get(place, "") for place, (_title, one) in enumerate(rows)],
        _("Flipped answers"): [flips(one) for _title, one in rows],
    }


def side_by_side(columns: Mapping[str, Mapping[str, TaskResult]]) -> Table:
    """Several recipes: a row for each task that was asked of one of them, a column for each recipe. columns: results by
    title of the recipe and name of the task."""
    asked = [one for one in tasks() if any(one.name in results for results in columns.values())]
    first = [next(results[one.name] for results in columns.values() if one.name in results) for one in asked]
    table = {
        _("Task"): [_(one.title) for one in asked],
        _("Measured as"): [metric(result) for result in first],
        _("original"): [score(result, result.base.score) for result in first],
    }
    for title, results in columns.items():
        table[title] = [difference(results[one.name]) if one.name in results else "" for one in asked]
    return table


def by_group(result: TaskResult) -> Table:
    """The groups of one task's questions."""
    return {
        _("Group"): [one.group for one in result.slices],
        _("Questions"): [str(one.questions) for one in result.slices],
        _("original"): [score(result, one.base) for one in result.slices],
        _("compressed"): [score(result, one.candidate) for one in result.slices],
        _("Change"): [_change(result, one.difference.mean, one.difference.ci95) for one in result.slices],
    }


def metric(result: TaskResult) -> str:
    """What the score is."""
    return {
        "accuracy": _("Accuracy"), "stereotyped": _("Stereotypes preferred"), "nats_per_token": _("Nats per token"),
        "word_error_rate": _("Word error rate"), "rouge_l": "ROUGE-L", "chrf": "chrF",
        "exact_match": _("Exact answers"),
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
    return _change(result, result.delta.score, result.delta.ci95)


def _change(result: TaskResult, change: float, interval: Sequence[float] | None) -> str:
    if result.metric == "nats_per_token":
        ends = "" if interval is None else f" ({interval[0]:+.3f} ... {interval[1]:+.3f})"
        return _("{nats} nats per token").format(nats=f"{change:+.3f}") + ends
    ends = "" if interval is None else f" ({interval[0] * 100:+.1f} ... {interval[1] * 100:+.1f})"
    return _("{points} points").format(points=f"{change * 100:+.1f}") + ends


def flips(result: TaskResult) -> str:
    """Answers that changed, in words."""
    if result.metric not in ("accuracy", "exact_match"):
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
