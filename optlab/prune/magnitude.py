"""Magnitude pruning: the smallest weights are set to zero. No text is needed.

The yardstick of pruning. It looks at a weight alone, not at what is multiplied with it, and so falls apart earlier
than Wanda or SparseGPT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.messages import say
from optlab.methods import Parameter, Probed, Value
from optlab.prune.pattern import UNSTRUCTURED
from optlab.prune.scored import ALLOCATION, PATTERN, SPARSITY, ScoredPruning

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context


class Magnitude(ScoredPruning):
    """Zero the weights with the smallest absolute value, counted per layer, over all layers, or below a threshold."""

    name: ClassVar[str] = "magnitude"
    title: ClassVar[str] = "Smallest weights"
    summary: ClassVar[str] = "Sets the weights closest to zero to exactly zero; instant, needs no text."
    source: ClassVar[str] = "Han et al. 2015, arXiv 1506.02626"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        SPARSITY,
        Parameter(
            "scope", str, "layer", "Scope",
            "'layer' takes the same share from every layer, 'global' the smallest of all layers together, 'threshold' "
            "everything below a fixed value, whatever share that is.",
            choices=("layer", "global", "threshold"),
        ),
        Parameter(
            "threshold", float, None, "Threshold",
            "With scope 'threshold': weights whose absolute value is below this become zero.",
            minimum=0.0, maximum=1000.0, step=0.001, optional=True, advanced=True, none_label="not used",
        ),
        PATTERN,
        ALLOCATION,
    )  # fmt: skip
    probed: ClassVar[tuple[Probed, ...]] = (Probed((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),)

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        if values["scope"] == "threshold":
            return say("magnitude below {threshold:g}", threshold=values["threshold"])
        named = super().describe(values)
        return say("{recipe} over all layers", recipe=named) if values["scope"] == "global" else named

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        super().check_together(values)
        if values["scope"] == "threshold" and values["threshold"] is None:
            raise RecipeError("scope threshold needs a threshold, such as 0.01")
        if values["scope"] != "threshold" and values["threshold"] is not None:
            raise RecipeError(
                "a threshold is only used with scope threshold, not with scope {scope}",
                scope=values["scope"],
            )
        if values["scope"] != "layer" and values["allocation"] != "uniform":
            raise RecipeError(
                "scope {scope} shares out by itself; use allocation uniform, or scope layer",
                scope=values["scope"],
            )
        if values["scope"] != "layer" and values["pattern"] != UNSTRUCTURED:
            raise RecipeError(
                "pattern {pattern} counts for itself, so scope {scope} has no say; use scope layer, or pattern "
                "unstructured",
                pattern=values["pattern"],
                scope=values["scope"],
            )

    def scores(self, name: str, context: Context) -> Tensor:
        return context.model.weight(name).abs()

    def prune(self, name: str, share: float, context: Context) -> None:
        if self.values["scope"] == "global":
            context.zero(name, self._masks[name])
        elif self.values["scope"] == "threshold":
            context.zero(name, self.scores(name, context) < float(self.values["threshold"] or 0.0))
        else:
            super().prune(name, share, context)

    def begin(self, context: Context) -> None:
        if self.values["scope"] != "global":
            return
        from optlab.prune.selection import smallest

        names = context.names
        weights = sum(context.model.weight(name).numel() for name in names)
        # All masks before the first zero: a weight that is already zeroed would be counted anew for the next layer.
        masks = smallest(lambda i: self.scores(names[i], context), len(names), round(self.values["sparsity"] * weights))
        self._masks = dict(zip(names, masks, strict=True))
