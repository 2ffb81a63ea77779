"""First-order Taylor pruning: the weights whose removal the loss itself would hardly notice.

The score of a weight is |w dL/dw|, what zeroing it changes in the loss to first order, averaged over windows of the
calibration text (Molchanov et al., arXiv 1611.06440, eq. 7). Wanda and SparseGPT look at one layer's output; this looks
through the whole model, but at each weight alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.prune.scored import ScoredPruning

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.calibrate.gradients import Gradients
    from optlab.context import Context


class Taylor(ScoredPruning):
    """Zero the weights with the smallest |weight x gradient|."""

    name: ClassVar[str] = "taylor"
    title: ClassVar[str] = "Taylor (gradients)"
    summary: ClassVar[str] = "Zeroes what the loss would miss least, judged by its gradients on a few pages of text."
    source: ClassVar[str] = "Molchanov et al. 2016, arXiv 1611.06440"
    needs_calibration: ClassVar[bool] = True

    _gradients: Gradients

    def begin(self, context: Context) -> None:
        self._gradients = context.gradients()

    def scores(self, name: str, context: Context) -> Tensor:
        if name in context.lineage.columns or name in context.lineage.rows or name in context.lineage.names:
            raise RecipeError("gradients are those of the original; put taylor before the step that removes units")
        if name not in self._gradients:
            raise RecipeError(
                "gradients are kept for the layers of the blocks only, not for {name}; use wanda there",
                name=name,
            )
        return context.model.weight(name).abs() * self._gradients.mean_abs(name).to(context.model.device)
