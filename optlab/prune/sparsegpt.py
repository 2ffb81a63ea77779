"""SparseGPT: weights are zeroed column by column, and the columns still open take back what the zeros have lost.

Which weights go is decided a few columns at a time, from weights that already carry the corrections of all columns
before: those go whose loss costs the output least, w^2 / [H^-1]_jj of the inputs still open (Frantar and Alistarh,
arXiv 2301.00774, eq. 5 and algorithm 1). The walk is GPTQ's (`optlab.quantize.hessian`), with another rule for what a
column becomes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from optlab.methods import Parameter, Probed
from optlab.prune.pattern import FINE
from optlab.prune.scored import ALLOCATION, PATTERN, REFIT, SEQUENTIAL, SPARSITY, ScoredPruning

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.prune.inputs import Inputs
    from optlab.quantize.hessian import Span

BLOCK = 128
"""Columns whose zeros are chosen together, as in the paper."""


class SparseGPT(ScoredPruning):
    """Zero the weights that the others can best make up for, and let them."""

    name: ClassVar[str] = "sparsegpt"
    title: ClassVar[str] = "SparseGPT"
    summary: ClassVar[str] = (
        "Zeroes what others can replace and lets them replace it; at its best when sequential, for a minute or two."
    )
    source: ClassVar[str] = "Frantar and Alistarh 2023, arXiv 2301.00774"
    needs_calibration: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        SPARSITY,
        PATTERN,
        ALLOCATION,
        SEQUENTIAL,
        REFIT,
        Parameter(
            "damping", float, 0.1, "Damping",
            "How much is added to the diagonal of the Hessian, as a share of its mean: more trusts the calibration "
            "text less.",
            minimum=0.0, maximum=1.0, step=0.01, advanced=True,
        ),
    )  # fmt: skip
    probed: ClassVar[tuple[Probed, ...]] = (Probed((0.3, 0.5, 0.7)),)

    _inputs: Inputs
    _factored: tuple[str, Tensor] | None = None

    def begin(self, context: Context) -> None:
        from optlab.prune.inputs import Inputs

        self._inputs = Inputs(context, self.values["sequential"])

    def scores(self, name: str, context: Context) -> Tensor:
        """Optimal brain surgeon's |w| / sqrt([H^-1]_jj): what a weight costs once all others have adapted."""
        import torch

        R = self._factor(name)
        inverse = torch.cholesky_inverse(R.flip(0, 1)).flip(0, 1)
        return context.model.weight(name).abs() / inverse.diagonal().sqrt()

    def second_moments(self, name: str) -> Tensor | None:
        return self._inputs.gram(name)

    def prune(self, name: str, share: float, context: Context) -> None:
        from optlab.prune.refit import refit

        W = context.model.weight(name).float()
        mask, Q = solve(W, self._factor(name), share, self.values["pattern"])
        H = self.second_moments(name)
        if self.values["refit"] and H is not None:
            # The walk lets a column make up only for those before it; now all that stay do, for all.
            Q = refit(W, H, mask, self.damping(), start=Q)
        context.zero(name, mask, Q)

    def _factor(self, name: str) -> Tensor:
        """The factor of the second moments of what layer `name` reads; kept for its siblings."""
        import torch

        from optlab.quantize.hessian import factor

        key = self._inputs.shared_with(name)
        if self._factored is None or self._factored[0] != key:
            H = self._inputs.gram(name)
            R = torch.eye(self._inputs.width(name)) if H is None else factor(H, self.values["damping"])
            self._factored = key, R
        return self._factored[1]


def solve(W: Tensor, R: Tensor, share: float, pattern: str = "unstructured") -> tuple[Tensor, Tensor]:
    """(mask, Q), both [out, in]: which weights become 0, and what W [out, in] float32 becomes, 0 where they do.

    R: `hessian.factor` of the second moments of the inputs. Weights that are 0 already stay 0 and count.
    """
    import torch

    from optlab.quantize.hessian import compensate
    from optlab.quantize.settling import settle

    chosen = chooser(share, pattern)
    mask = torch.empty(W.shape[1], W.shape[0], dtype=torch.bool, device=W.device)

    def zeroed(span: Span) -> Tensor:
        inside = slice(span.begin, span.begin + len(span.weights))
        mask[inside] = chosen(span)
        return settle(span, gone=mask[inside])[0]

    Q = W - compensate(W, R, FINE[pattern][1] if pattern in FINE else BLOCK, zeroed)
    return mask.T, Q.masked_fill(mask.T, 0.0)


def chooser(share: float, pattern: str) -> Callable[[Span], Tensor]:
    """Says of a span, whose columns lie in the order of the inputs, which weights become 0: bool [size, out].

    Weights that are 0 already stay 0 and count; N:M groups must not lie across two spans.
    """
    import torch

    from optlab.prune.masks import lowest, lowest_of_neighbours
    from optlab.quantize.hessian import Span
    from optlab.quantize.settling import settle

    def judged(span: Span, frozen: Tensor) -> Tensor:
        return (span.expected.square() * span.cost.unsqueeze(1)).masked_fill_(frozen, 0.0)

    def anywhere(span: Span) -> Tensor:
        frozen = span.weights == 0
        size, rows = frozen.shape
        # Counted from the left edge, so that the zeros of all spans together are exact.
        due = round(share * rows * (span.begin + size)) - round(share * rows * span.begin)
        return lowest(judged(span, frozen), due) | frozen

    def of_neighbours(span: Span) -> Tensor:
        """The few that are compared are judged after all before them were settled, so a wide span is walked ahead."""
        of, size = FINE[pattern][1], len(span.weights)
        mask, error = torch.empty_like(span.weights, dtype=torch.bool), torch.empty_like(span.weights)
        for begin in range(0, size, of):
            inside = slice(begin, begin + of)
            carried = torch.addmm(span.carried[inside], span.share[inside, :begin], error[:begin])
            part = Span(
                span.begin + begin, span.weights[inside], carried, span.share[inside, inside], span.cost[inside]
            )
            frozen = part.weights == 0
            mask[inside] = lowest_of_neighbours(judged(part, frozen).T, pattern).T | frozen
            if begin + of < size:
                error[inside] = settle(part, gone=mask[inside])[0]
        return mask

    return of_neighbours if pattern in FINE else anywhere
