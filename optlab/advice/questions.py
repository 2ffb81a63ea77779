"""The five questions that everybody asks, as rows of what was measured here; an empty list where nothing was."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from optlab.advice.candidate import Candidate
from optlab.evaluation.environment import of_this_machine
from optlab.fitting import first_recipe, fitted_step
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.measurement import Measurement
from optlab.results.recipe import AnyRecipe

KINDS = ("quantize", "prune", "distill")
ALLOWED_PERCENT = (1.0, 5.0, 20.0, 50.0)
FIRST_BITS = 4
"""Of the recipe that is offered where nothing was compressed yet."""
STUDENT_STEPS = 100
MOST_LOST = 2.0
"""A technique is shown by its smallest result whose perplexity at most doubles; beyond, texts fall apart."""


def resources(result: Measurement) -> list[tuple[str, float | None, float | None]]:
    """(figure, original, compressed) of what a model takes, None where not measured.

    size, memory: bytes; decode: ms per token; prefill: tokens per second. All but the size only of this machine.
    """
    base, candidate = result.baseline, result.compressed
    found: list[tuple[str, float | None, float | None]] = [("size", base.size_bytes, candidate.size_bytes)]
    if of_this_machine(result.environment):
        found += [
            ("memory", base.peak_rss_bytes, candidate.peak_rss_bytes),
            ("decode", base.decode_ms_per_token, candidate.decode_ms_per_token),
            ("prefill", base.prefill_tokens_per_s, candidate.prefill_tokens_per_s),
        ]
    return found


def within(candidates: Sequence[Candidate], percent: float, source: str) -> Candidate | None:
    """The smallest candidate of a source that is surely at most `percent` worse; None when there is none."""
    kept = [one for one in candidates if one.source == source and _worst(one) <= 1 + percent / 100]
    return min(kept, key=lambda one: one.size_bytes, default=None)


def techniques(candidates: Iterable[Candidate]) -> dict[str, Candidate]:
    """kind of step -> the measured candidate that shows what this technique does by itself.

    Of recipes with steps of that kind only: the smallest that loses at most `MOST_LOST`, else the one that loses least.
    """
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        kinds = _kinds(one.recipe)
        if one.source == "measured" and len(kinds) == 1:
            groups.setdefault(kinds.pop(), []).append(one)
    return {kind: _telling(group) for kind, group in groups.items() if kind in KINDS}


def example(kind: str, description: Description) -> Recipe:
    """A recipe that shows one technique by itself."""
    if kind == "prune":
        return Recipe.of(fitted_step("prune", "wanda", {"sparsity": 0.5}, description))
    if kind == "distill":
        values = {"student_layers": max(description.blocks * 3 // 4, 1), "steps": STUDENT_STEPS}
        return Recipe.of(fitted_step("distill", "forward_kl", values, description))
    return first_recipe(FIRST_BITS, description)


def _telling(group: list[Candidate]) -> Candidate:
    usable = [one for one in group if _lost(one) <= MOST_LOST]
    if usable:
        return min(usable, key=lambda one: (one.size_bytes, _lost(one)))
    return min(group, key=_lost)


def _worst(one: Candidate) -> float:
    return math.inf if one.worst_ratio is None else one.worst_ratio


def _lost(one: Candidate) -> float:
    return math.inf if one.ratio is None else one.ratio


def _kinds(recipe: AnyRecipe) -> set[str]:
    return {step.kind for step in recipe.steps} if isinstance(recipe, Recipe) else set()
