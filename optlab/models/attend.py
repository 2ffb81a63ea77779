"""Attention of queries over keys and values: which of them a query sees, how scores are scaled and capped."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def visible(length: int, total: int, window: int | None, device: torch.device | str) -> Tensor | None:
    """Which of `total` keys each of the last `length` queries sees: bool [length, total]; None: all up to its own.

    window: how many a query sees, its own included. None is an answer only where nothing was there before the queries
    (length == total), or for a single query.
    """
    narrow = window is not None and total > window
    if not narrow and (length == total or length == 1):
        return None
    mask = torch.ones(length, total, dtype=torch.bool, device=device).tril(total - length)
    return mask.triu(total - length - window + 1) if narrow and window is not None else mask


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float | None = None, cap: float | None = None
) -> Tensor:
    """Causal attention of q [B, heads, L, head_dim] over k, v [B, kv_heads, T, head_dim] -> [B, heads, L, head_dim].

    mask: bool or added to the scores, [L, T] or broadcast to [B, heads, L, T]; None: the last query sees all, one
    before it all but the last key, and so on. scale: of the scores, default 1 / sqrt(head_dim). cap: scores s become
    cap * tanh(s / cap) before the softmax.
    """
    length, grouped = q.shape[-2], k.shape[1] != q.shape[1]
    if cap is None:
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None and length > 1, scale=scale, enable_gqa=grouped
        )
    if grouped:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = cap * torch.tanh(scores / cap)
    if mask is None and length > 1:
        mask = torch.ones(length, k.shape[-2], dtype=torch.bool, device=q.device).tril(k.shape[-2] - length)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return F.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype) @ v


def attend_one(q: Tensor, k: Tensor, v: Tensor, scale: float, cap: float | None) -> Tensor:
    """The newest query of each text, q [B, heads, head_dim], over all of k, v [B, kv_heads, T, head_dim]; as q.

    Query heads that share a key-value head are the rows of one small attention over it.
    """
    rows = q.unflatten(1, (k.shape[1], -1))
    if cap is None:
        return F.scaled_dot_product_attention(rows, k, v, scale=scale).flatten(1, 2)
    scores = cap * torch.tanh(rows @ k.transpose(-1, -2) * (scale / cap))
    return (F.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype) @ v).flatten(1, 2)
