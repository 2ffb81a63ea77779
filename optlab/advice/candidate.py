"""Everything that could be chosen for a model: what was measured here, and what the frontier predicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from optlab.evaluation.environment import of_this_machine
from optlab.i18n import said
from optlab.jobs.measured import MeasuredRun, in_words
from optlab.jobs.originals import Original, originals
from optlab.prediction.frontier import Point
from optlab.recipes import Recipe
from optlab.results.recipe import AnyRecipe

Source = Literal["measured", "predicted"]


@dataclass(frozen=True)
class Candidate:
    """A recipe and what is known of it; None where a figure is not known.

    ratio: perplexity over the original's, with its interval (95 % of a measurement, 90 % of a prediction). decode_ms:
    per token on this machine. speedup: how many times as fast as the original, timed with it in turns, or predicted,
    with such an interval; None for the original. memory_bytes: the most that a process took while it answered. run: the
    measurement's number. agreement: share of places where its likeliest next token is the original's.
    """

    model: str
    title: str
    recipe: AnyRecipe
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
    speedup_interval: tuple[float, float] | None = None

    @property
    def is_original(self) -> bool:
        """Whether nothing was done to the model."""
        return self.recipe.is_original

    @property
    def tokens_per_s(self) -> float | None:
        """Decoding speed."""
        return 1000 / self.decode_ms if self.decode_ms else None

    @property
    def worst_ratio(self) -> float | None:
        """The upper end of the interval, or the ratio where one window gave no interval."""
        return self.ratio if self.high is None else self.high


def best_and_smallest(found: Sequence[Original]) -> tuple[Original, Original]:
    """Of several models on one text: the one that predicts it best, and the one with the fewest bytes."""
    return min(found, key=lambda one: one.bits_per_byte), min(found, key=lambda one: one.size_bytes)


def measured(runs: Sequence[MeasuredRun]) -> list[Candidate]:
    """One for each finished measurement of one model on one text, and their original."""
    found = [_original(one) for one in originals(runs)[:1]]
    return found + [_of(run) for run in runs if not run.spec.recipe.is_original]


def original_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """The original among candidates for one model; None when nothing was measured."""
    return next((one for one in candidates if one.is_original), None)


def tried(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Compressed models that were measured, the smallest first."""
    found = [one for one in candidates if one.source == "measured" and not one.is_original]
    return sorted(found, key=lambda one: one.size_bytes)


def unproved(predictions: Iterable[Candidate], known: Iterable[Candidate]) -> list[Candidate]:
    """Predictions of recipes that nobody measured yet: once a figure is measured, it takes the prediction's place."""
    done = {one.recipe.content_hash for one in known if one.source == "measured"}
    return [one for one in predictions if one.recipe.content_hash not in done]


def predicted(points: Iterable[Point], model: str) -> list[Candidate]:
    """The points of a frontier that have a predicted quality."""
    found = []
    for point in points:
        told = point.prediction
        if told.ppl_ratio is None or not point.recipe.steps:
            continue
        low, high = told.ppl_ratio_band90 or (None, None)
        found.append(
            Candidate(model, said(point.recipe.describe()), point.recipe, "predicted", point.size_bytes,
                      told.ppl_ratio, low, high, told.decode_ms,
                      speedup=told.speed.speedup if told.speed else None,
                      speedup_interval=told.speed.speedup_band90 if told.speed else None)
        )  # fmt: skip
    return found


def _original(one: Original) -> Candidate:
    title = said(Recipe().describe())
    return Candidate(
        one.model, title, Recipe(), "measured", one.size_bytes, 1.0, 1.0, 1.0, decode_ms=one.decode_ms,
        memory_bytes=one.memory_bytes, run=one.run,
    )  # fmt: skip


def _of(run: MeasuredRun) -> Candidate:
    """Times and memory only where they are of this machine; an archive may bring those of another."""
    figures, delta, here = run.headline.compressed, run.headline.delta, of_this_machine(run.headline.environment)
    low, high = delta.ppl_ratio_ci95 or (None, None)
    return Candidate(
        run.spec.model, in_words(run), run.spec.recipe, "measured", figures.size_bytes, delta.ppl_ratio, low, high,
        decode_ms=figures.decode_ms_per_token if here else None,
        memory_bytes=figures.peak_rss_bytes if here else None,
        run=run.id,
        agreement=delta.top1_agreement,
        speedup=delta.decode_speedup if here else None,
        speedup_interval=delta.decode_speedup_ci95 if here else None,
    )  # fmt: skip
