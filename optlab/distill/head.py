"""The loss of a student by pieces of its positions, so that their logits never leave the processor's cache.

The head turns a hidden state of 256 numbers into 4096 logits (576 into 49,152 for SmolLM2), and a softened divergence
reads such an array a dozen times. For a whole batch that is tens of megabytes through the memory at every pass, and
costs more than all blocks of a small student. So head, loss and gradient are done for some positions at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

ROWS = 256
"""Positions per piece: their logits fit the cache for small vocabularies, their multiplications are large enough."""


def by_pieces(
    hidden: Tensor, parameters: Sequence[Tensor], loss_of: Callable[[Tensor, slice], Tensor], rows: int = ROWS
) -> Tensor:
    """The mean over all positions of a loss that is a mean over positions; its gradients are made with it.

    hidden: [N, D], what the head reads. parameters: of the head, which get gradients. loss_of(piece of hidden [n, D],
    its place in N): a scalar, the mean over that piece.
    """
    found: Tensor = _ByPieces.apply(loss_of, rows, hidden, *parameters)
    return found


def head_parameters(model: LanguageModel) -> list[Tensor]:
    """The trainable parameters that `model.head` computes with."""
    embedding = model.weight(model.structure.embedding)
    trainable = [one for one in model.module.parameters() if one.requires_grad]
    with torch.enable_grad():
        logits = model.head(torch.zeros(1, 1, embedding.shape[1], dtype=embedding.dtype, device=embedding.device))
    if not logits.requires_grad:
        return []
    slopes = torch.autograd.grad(logits.sum(), trainable, allow_unused=True)
    return [one for one, slope in zip(trainable, slopes, strict=True) if slope is not None]


def predicting(hidden: Tensor) -> Tensor:
    """The states [B (T - 1), D] of [B, T, D] that a next word is predicted from."""
    return hidden[:, :-1].flatten(0, 1)


def head(model: LanguageModel, hidden: Tensor) -> Tensor:
    """Logits [N, V] in float32 of hidden states [N, D]."""
    return model.head(hidden[None])[0].float()


class _ByPieces(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss_of: Callable[[Tensor, slice], Tensor], rows: int, hidden: Tensor, *parameters: Tensor
    ) -> Tensor:
        count, total = len(hidden), torch.zeros((), device=hidden.device)
        wanted = any(ctx.needs_input_grad)
        slopes = [torch.zeros_like(one) for one in (hidden, *parameters)] if wanted else []
        for start in range(0, count, rows):
            place = slice(start, min(start + rows, count))
            share = (place.stop - place.start) / count
            piece = hidden[place].detach().requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                loss = loss_of(piece, place) * share
            total = total + loss.detach()
            if wanted:
                own, *others = torch.autograd.grad(loss, [piece, *parameters])
                slopes[0][place] = own
                for sum_, one in zip(slopes[1:], others, strict=True):
                    sum_ += one
        ctx.save_for_backward(*slopes)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, None, *(slope * gradients[0] for slope in ctx.saved_tensors)
