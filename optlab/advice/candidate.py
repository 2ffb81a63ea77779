"""Everything that could be chosen for a model: what was measured here, and what the frontier predicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optlab.client import records
from optlab.errors import RecipeError
from optlab.evaluate.environment import of_this_machine
from optlab.i18n import said
from optlab.predict.frontier import Point
from optlab.recipes import Recipe
from optlab.results.environment import Environment
from optlab.store.run import Run

Source = Literal["measured", "predicted"]


@dataclass(frozen=True)
class Candidate:
    """A recipe and what is known of it; None where a figure is not known.

    ratio: perplexity over the original's, with its interval (95 % of a measurement, 90 % of a prediction). decode_ms:
    per token on this machine. speedup: how many times as fast as the original, timed with it in turns (95 % interval),
    or predicted as it is; None for the original. memory_bytes: the most that a process took while it answered. run:
    the measurement's number. agreement: share of places where its likeliest next token is the original's.
    """

    model: str
    title: str
    recipe: dict[str, Any]
    source: Source
    size_bytes: int
    ratio: float | None
    low: float | None
    high: float | None
    decode_ms: float | None = None
    memory_bytes: int | None = None
    run: int | None = None
    agreement: float | None = None
    speedup: float | None = None
    speedup_ci95: tuple[float, float] | None = None

    @property
    def tokens_per_s(self) -> float | None:
        """Decoding speed."""
        return 1000 / self.decode_ms if self.decode_ms else None

    @property
    def worst_ratio(self) -> float | None:
        """The upper end of the interval, or the ratio where one window gave no interval."""
        return self.ratio if self.high is None else self.high


def measured(runs: Iterable[Run]) -> list[Candidate]:
    """One for each finished measurement, and the original itself, which every one of them measured too."""
    found: list[Candidate] = []
    for run in runs:
        result = run.result or {}
        if not found:
            found.append(_of(run, result, "baseline", {"steps": []}, (1.0, 1.0, 1.0)))
        delta = result.get("delta") or {}
        low, high = delta.get("ppl_ratio_ci95") or (None, None)
        if run.spec["recipe"]["steps"]:
            found.append(_of(run, result, "compressed", run.spec["recipe"], (delta.get("ppl_ratio"), low, high)))
    return found


def predicted(points: Iterable[Point], model: str, original_ms: float | None = None) -> list[Candidate]:
    """The points of a frontier that have a predicted quality. original_ms: predicted time per token of the original."""
    found = []
    for point in points:
        told = point.prediction
        if told.ppl_ratio is None or not point.recipe.steps:
            continue
        low, high = told.ppl_ratio_band90 or (None, None)
        found.append(
            Candidate(model, said(point.recipe.describe()), point.recipe.to_dict(), "predicted", point.size_bytes,
                      told.ppl_ratio, low, high, told.decode_ms,
                      speedup=original_ms / told.decode_ms if original_ms and told.decode_ms else None)
        )  # fmt: skip
    return found


def timed_here(result: Mapping[str, Any]) -> bool:
    """Whether a result's times and memory are of this machine; an archive may bring those of another."""
    return of_this_machine(Environment.model_validate(result.get("environment") or {}))


def known(recipe: Mapping[str, Any]) -> Recipe | None:
    """The recipe, or None when this version of OptLab has no such method."""
    try:
        return Recipe.from_dict(recipe)
    except RecipeError:
        return None


def _of(
    run: Run, result: Mapping[str, Any], side: str, recipe: dict[str, Any],
    quality: tuple[float | None, float | None, float | None],
) -> Candidate:  # fmt: skip
    figures, here = result[side], timed_here(result)
    delta = (result.get("delta") or {}) if recipe["steps"] else {}
    title = records.in_words(run) if recipe["steps"] else said(Recipe().describe())
    return Candidate(
        run.spec["model"], title, recipe, "measured", figures["size_bytes"], *quality,
        decode_ms=figures.get("decode_ms_per_token") if here else None,
        memory_bytes=figures.get("peak_rss_bytes") if here else None,
        run=run.id,
        agreement=delta.get("top1_agreement"),
        speedup=delta.get("decode_speedup") if here else None,
        speedup_ci95=tuple(delta["decode_speedup_ci95"]) if here and delta.get("decode_speedup_ci95") else None,
    )  # fmt: skip
