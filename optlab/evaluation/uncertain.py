"""Which tokens will flip? Those that the original was not sure about.

A token flips where the compressed model's likeliest next token is another than the original's. How far the original's
two likeliest tokens are apart, in nats, says beforehand how easily that happens. The threshold below which so many
tokens lie is taken from one text and used on another, so that nothing about the judged text is known before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.evaluation.paired import Interval, interval
from optlab.evaluation.scoring import log_probabilities, predicting_states, rows_at_once

if TYPE_CHECKING:
    from optlab.framing import Framing
    from optlab.models.language_model import LanguageModel

SHARE = 0.2
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Tokens:
    """For every window [W, N]: how far the original's two likeliest tokens are apart (nats), and whether the compressed
    model prefers another one."""

    margin: Floats
    flipped: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Held:
    """threshold: margin in nats, below which a token counts as uncertain. uncertain: share of the tokens of the judged
    text that are; held: share of its flips among them, with its 95 % interval by windows; flips: share of all tokens
    that flipped."""

    threshold: float
    uncertain: float
    held: float
    ci95: Interval | None
    flips: float


@torch.inference_mode()
def tokens(base: LanguageModel, candidate: LanguageModel, windows: Sequence[Sequence[int]], framing: Framing) -> Tokens:
    """What both models say of windows of one length, which are framed as `scoring.windows_of` cuts them."""
    margins, flips = [], []
    for window in windows:
        (states,), (others,) = (
            predicting_states(model, [list(window)], lambda: None, framing) for model in (base, candidate)
        )
        rows = min(rows_at_once(base), rows_at_once(candidate))
        margin, flipped = [], []
        for log_p, log_q in zip(
            log_probabilities(base, states, rows), log_probabilities(candidate, others, rows), strict=True
        ):
            best = log_p.topk(2, dim=1)
            margin.append((best.values[:, 0] - best.values[:, 1]).double().cpu().numpy())
            flipped.append((log_q.argmax(1) != best.indices[:, 0]).cpu().numpy())
        margins.append(np.concatenate(margin))
        flips.append(np.concatenate(flipped))
    return Tokens(np.stack(margins), np.stack(flips))


def held(learned: Tokens, judged: Tokens, share: float = SHARE) -> Held:
    """How many of the flips of `judged` lie among the tokens that are as uncertain as the `share` most uncertain ones
    of `learned`. The interval is of a ratio, clustered by window (Cochran 1977, section 6.3)."""
    threshold = float(np.quantile(learned.margin, share))
    uncertain = judged.margin <= threshold
    hit, all_flips = (uncertain & judged.flipped).sum(1).astype(float), judged.flipped.sum(1).astype(float)
    ratio = float(hit.sum() / all_flips.sum()) if all_flips.sum() else float("nan")
    spread = interval((hit - ratio * all_flips) / all_flips.mean()) if all_flips.sum() else None
    ends = None if spread is None else (max(ratio + spread[0], 0.0), min(ratio + spread[1], 1.0))
    return Held(threshold, float(uncertain.mean()), ratio, ends, float(judged.flipped.mean()))
