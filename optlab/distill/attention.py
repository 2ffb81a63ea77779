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

from optlab.distill.hidden import Listener
from optlab.errors import RecipeError
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import Attention, Block

UNSEEN = -1e9
"""The logarithm of the attention that a word pays to words after it: finite, so that 0 times it is 0."""


class Attentions(Listener):
    """Where each block looks: log-probabilities [B, heads, T, T].

    Raises RecipeError for a family that runs through transformers, whose attention is its own.
    """

    def place(self, model: LanguageModel, block: nn.Module) -> nn.Module:
        attention = getattr(block, "self_attn", None) if isinstance(block, Block) else None
        if not isinstance(attention, Attention):
            raise RecipeError(
                "{name} runs through transformers, where its attention cannot be compared", name=model.name
            )
        return attention

    def heard(self, module: nn.Module, inputs: tuple[Any, ...], out: Any) -> Tensor:
        assert isinstance(module, Attention)
        return log_attention(module, *inputs[:3])


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
