"""Results of tasks as a table of plain text, as the command line prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optlab.evaluation.task_tests import holm
from optlab.evaluation.tasks import REGISTRY, task
from optlab.results.tasks import Difference, TaskResult

HEADINGS = ("task", "metric", "items", "chance", "original", "compressed", "difference, 95 % interval", "C>I", "I>C",
            "W>W", "p", "p, Holm", "log p of the right answer", "sees")  # fmt: skip
UNITS = {"accuracy": "accuracy", "stereotyped": "stereotyped", "nats_per_token": "nats/token",
         "word_error_rate": "word errors", "rouge_l": "ROUGE-L", "chrf": "chrF",
         "exact_match": "exact match"}  # fmt: skip
NOTES = (
    "C>I, I>C, W>W: right answers that became wrong, wrong ones that became right, wrong ones that became another",
    "wrong one. p: McNemar's exact test of C>I against I>C; Holm: the same as one of all tests of this table, which",
    "keeps the chance of even one false alarm below the level. sees: the smallest difference that these items would",
    "show four times in five. chance: of who guesses, or always gives the most frequent answer.",
)


def tasks_in_words(found: Mapping[str, Mapping[str, TaskResult]]) -> str:
    """Results by recipe and task; a row for each, those of one recipe together."""
    tests = [one.delta.mcnemar_p for results in found.values() for name, one in results.items() if flips(one)]
    corrected = iter(holm(tests))
    lines = []
    for recipe, results in found.items():
        rows = [HEADINGS, *(_row(name, one, next(corrected) if flips(one) else None) for name, one in results.items())]
        lines += [recipe] if len(found) > 1 else []
        lines += _aligned(rows)
        lines += [f"{name}: {said}" for name, one in results.items() if (said := remark(name, one))]
        lines.append("")
    return "\n".join([*lines, *NOTES])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Two columns of words, then columns of figures."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.ljust, str.ljust, *[str.rjust] * (len(widths) - 2)]
    return ["  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True)).rstrip()
            for row in rows]  # fmt: skip


def flips(result: TaskResult) -> bool:
    """Whether answers of this task are right or wrong, so that flips of them are counted."""
    return result.metric in ("accuracy", "exact_match") or result.delta.lost + result.delta.won > 0


def remark(name: str, result: TaskResult) -> str:
    """What one has to know before reading the score of a task; empty where nothing."""
    if name in REGISTRY and task(name).control:
        return "a control, wrong on purpose; " + (
            "the original is ABOVE chance, so the measuring is wrong" if result.told else "at chance, as it must be"
        )
    if not result.told:
        return "the original is not better than chance here, so the score cannot show a loss; log p and flips can"
    return "stopped early: the difference was known well enough" if result.stopped_early else ""


def _row(name: str, one: TaskResult, corrected: float | None) -> tuple[str, ...]:
    percent = one.metric != "nats_per_token"
    delta, floor = one.delta, max(one.chance or 0.0, one.always_the_same or 0.0)
    counted = [str(count) if flips(one) else "" for count in (delta.lost, delta.won, delta.moved)]
    return (
        name, UNITS.get(one.metric, one.metric), str(one.questions), _figure(floor, percent) if floor else "",
        _figure(one.base.score, percent), _figure(one.candidate.score, percent), _difference(delta, percent), *counted,
        f"{delta.mcnemar_p:.3f}" if flips(one) else "", "" if corrected is None else f"{corrected:.3f}",
        _log_likelihood(delta), "" if delta.detectable is None else _figure(delta.detectable, percent),
    )  # fmt: skip


def _figure(value: float, percent: bool, sign: str = "") -> str:
    return f"{value:{sign}.1%}" if percent else f"{value:{sign}.3f}"


def _difference(delta: Difference, percent: bool) -> str:
    told = _figure(delta.score, percent, "+")
    if delta.ci95 is None:
        return told
    low, high = (_figure(end, percent, "+") for end in delta.ci95)
    return f"{told} ({low} to {high})"


def _log_likelihood(delta: Difference) -> str:
    if delta.log_likelihood is None:
        return ""
    told, ends = f"{delta.log_likelihood.mean:+.3f}", delta.log_likelihood.ci95
    return told if ends is None else f"{told} ({ends[0]:+.3f} to {ends[1]:+.3f})"
