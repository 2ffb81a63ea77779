"""Magnitude pruning: the smallest weights are set to zero. No text is needed.

The yardstick of pruning. It looks at a weight alone, not at what is multiplied with it, and so falls apart earlier
than Wanda or SparseGPT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.methods import Method, Parameter, Value

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.compress import Context


class Magnitude(Method):
    """Zero the weights with the smallest absolute value, counted per layer, over all layers, or below a threshold."""

    kind: ClassVar[str] = "prune"
    name: ClassVar[str] = "magnitude"
    title: ClassVar[str] = "Smallest weights"
    summary: ClassVar[str] = "Sets the weights closest to zero to exactly zero; instant, needs no text."
    source: ClassVar[str] = "Han et al. 2015, arXiv 1506.02626"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "sparsity", float, 0.5, "Sparsity",
            "The share of weights that become zero. Zeros save space in the file; they make nothing faster on a "
            "processor without kernels for them.",
            minimum=0.0, maximum=0.95, step=0.05,
        ),
        Parameter(
            "scope", str, "layer", "Counted over",
            "'layer' takes the same share from every layer, 'global' the smallest of all layers together, 'threshold' "
            "everything below a fixed value, whatever share that is.",
            choices=("layer", "global", "threshold"),
        ),
        Parameter(
            "threshold", float, None, "Threshold",
            "With scope 'threshold': weights whose absolute value is below this become zero.",
            minimum=0.0, maximum=1000.0, step=0.001, optional=True, advanced=True, none_label="not used",
        ),
        Parameter(
            "pattern", str, "unstructured", "Pattern",
            "Which zeros are allowed: 'unstructured' lets them fall anywhere.",
            choices=("unstructured",), advanced=True,
        ),
    )  # fmt: skip

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        if values["scope"] == "threshold":
            return f"magnitude below {values['threshold']:g}"
        share = f"magnitude {float(values['sparsity'] or 0.0):.0%}"
        return share + (" over all layers" if values["scope"] == "global" else "")

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        if values["scope"] == "threshold" and values["threshold"] is None:
            raise RecipeError("scope threshold needs a threshold, such as 0.01")
        if values["scope"] != "threshold" and values["threshold"] is not None:
            raise RecipeError(f"a threshold is only used with scope threshold, not with scope {values['scope']}")

    def apply(self, context: Context) -> None:
        """Zero weights of `context.names`. Raises RecipeError, Cancelled."""
        masks = self.masks(context)
        for done, name in enumerate(context.names):
            context.progress(done / len(context.names), f"pruning {name}")
            context.zero(name, next(masks))

    def masks(self, context: Context) -> Iterator[Tensor]:
        """What to zero in each of `context.names`, bool [out, in]."""
        from optlab.prune.selection import smallest

        def scores(i: int) -> Tensor:
            return context.model.weight(context.names[i]).abs()

        count, sparsity = len(context.names), float(self.values["sparsity"] or 0.0)
        if self.values["scope"] == "threshold":
            yield from (scores(i) < float(self.values["threshold"] or 0.0) for i in range(count))
        elif self.values["scope"] == "global":
            weights = sum(scores(i).numel() for i in range(count))
            # Lists the masks first: a weight that is already zeroed would be counted anew for the next layer.
            yield from list(smallest(scores, count, round(sparsity * weights)))
        else:
            for i in range(count):
                W = scores(i)
                yield from smallest(lambda _, W=W: W, 1, round(sparsity * W.numel()))  # type: ignore[misc]
