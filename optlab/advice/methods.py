"""What other methods made of the same layer at the same bits: measurements of one model on one text, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optlab.i18n import said
from optlab.jobs.measured import MeasuredRun
from optlab.recipes import Recipe


@dataclass(frozen=True)
class MethodResult:
    """title: the recipe in words. ratio: perplexity over the original's. error: relative output error of the layer.
    seconds: that compressing took. plain: by rounding to nearest and nothing else. None where it is not known."""

    title: str
    ratio: float
    error: float | None
    seconds: float
    plain: bool


def bits_of(recipe: Recipe) -> int | None:
    """The bits that every quantization of a recipe writes; None when there is none, or several."""
    found = {step.values.get("bits") for step in recipe.steps if step.kind == "quantize"}
    return int(str(found.pop())) if len(found) == 1 and None not in found else None


def at_bits(runs: Iterable[MeasuredRun], bits: int, layer: str, text: str | None) -> list[MethodResult]:
    """The newest measurement of every recipe with these bits, the best quality first. runs: finished measurements of
    one model, newest first. text: on this one only, unless None."""
    found: dict[str, MethodResult] = {}
    for run in runs:
        recipe, headline = run.spec.recipe, run.headline
        if not isinstance(recipe, Recipe):  # a method that is no more: nothing to compare with
            continue
        if bits_of(recipe) != bits or (text is not None and headline.text != text) or run.recipe_hash in found:
            continue
        error = next((one.output_error for one in run.result.layers if one.name == layer), None)
        found[run.recipe_hash] = MethodResult(
            said(run.title), headline.delta.ppl_ratio, error, headline.seconds.compress,
            [step.method for step in recipe.steps] == ["rtn"],
        )  # fmt: skip
    return sorted(found.values(), key=lambda one: one.ratio)


def worse_than_plain(found: Iterable[MethodResult]) -> list[MethodResult]:
    """Those whose perplexity is above that of plain rounding; none without a measurement of that."""
    known = list(found)
    plain = next((one.ratio for one in known if one.plain), None)
    return [one for one in known if plain is not None and one.ratio > plain]
