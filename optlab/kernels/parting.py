"""Where two texts first part, and what both models thought of the words there.

Up to that token both models have read the same, so their probabilities can be laid beside each other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from optlab.results.generation import Choice, Parting, SideName

SHOWN = 5
SIDES: tuple[SideName, SideName] = ("base", "candidate")


def parting(position: int, base: Tensor, candidate: Tensor, tokens: tuple[int, int], tokenizer: Any) -> Parting:
    """Chosen tokens first, then the likeliest.

    position: number of tokens that were the same. base, candidate: logits [V] for the token after those. tokens: which
    one either model chose; listed besides the `SHOWN` likeliest of both.
    """
    p, q = (torch.softmax(logits.detach().float().cpu(), dim=-1) for logits in (base, candidate))
    listed = {*tokens, *p.topk(min(SHOWN, len(p))).indices.tolist(), *q.topk(min(SHOWN, len(q))).indices.tolist()}
    rows = [
        Choice(
            text=tokenizer.decode([token]),
            base=float(p[token]),
            candidate=float(q[token]),
            chosen_by=tuple(side for side, one in zip(SIDES, tokens, strict=True) if one == token),
        )
        for token in listed
    ]
    rows.sort(key=lambda row: max(row.base, row.candidate), reverse=True)
    chosen = [row for row in rows if row.chosen_by]
    others = [row for row in rows if not row.chosen_by]
    return Parting(position=position, tokens=(*chosen, *others[: SHOWN - 1]))
