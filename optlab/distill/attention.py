"""Where the attention of a model looks while it computes, without changing the model.

The model itself never makes its attention matrices (it multiplies them away block by block in fast memory), so they are
made here from the input of each attention, for those who want to compare them. 4 B T^2 heads bytes per block.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.errors import RecipeError
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import Attention, Block

UNSEEN = -1e9
"""The logarithm of the attention that a word pays to words after it: finite, so that 0 times it is 0."""


class Attentions:
    """Keeps the log-probabilities [B, heads, T, T] of all blocks' attention in the last pass, until `close`.

    Raises RecipeError for a family that runs through transformers, whose attention is its own.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.found: dict[int, Tensor] = {}
        self.handles: list[Any] = []
        for number, (_, block) in enumerate(model.blocks()):
            attention = getattr(block, "self_attn", None) if isinstance(block, Block) else None
            if not isinstance(attention, Attention):
                raise RecipeError(
                    "{name} runs through transformers, where its attention cannot be compared", name=model.name
                )
            self.handles.append(attention.register_forward_hook(self._hook(number)))

    def _hook(self, number: int) -> Any:
        def keep(module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
            assert isinstance(module, Attention)
            self.found[number] = log_attention(module, *args[:3])

        return keep

    def states(self) -> list[Tensor]:
        """Of the last pass, first block first, as float32; they are forgotten here."""
        states = [self.found[number] for number in sorted(self.found)]
        self.found = {}
        return states

    def close(self) -> None:
        """Listen no longer."""
        for handle in self.handles:
            handle.remove()


def log_attention(attention: Attention, x: Tensor, turn: tuple[Tensor, Tensor] | None, mask: Tensor | None) -> Tensor:
    """log softmax(q k^T) of attention on x [B, T, D], scaled and capped as it is; [B, heads, T, T] float32.

    turn, mask: as the attention is given them.
    """
    q, k, _ = attention.queries_keys_values(x, turn)
    k = k.repeat_interleave(attention.heads // attention.kv_heads, dim=1)
    scores = (q @ k.transpose(-1, -2)).float() * attention.scale
    if attention.cap is not None:
        scores = attention.cap * torch.tanh(scores / attention.cap)
    unseen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1) if mask is None else ~mask
    return F.log_softmax(scores.masked_fill(unseen, -math.inf), dim=-1).masked_fill(unseen, UNSEEN)
