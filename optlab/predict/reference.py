"""What the original says at every token of the anchors' words, kept, so that an anchor costs one model and not two.

The head of a large vocabulary takes a fifth of a forward pass and its softmax as long again. The logarithms of the
original's probabilities are kept in half precision (200 MB for 2048 tokens of 49,152 words): an error of 0.0005 of a
logarithm, which vanishes in a mean over tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from optlab.evaluate.scoring import predicting_states, targets_of, windows_of
from optlab.models.language_model import LanguageModel

ROWS = 128
"""Tokens whose whole vocabulary is held in float32 at once."""


class Reference:
    """Of `base` on token ids, in windows of `context` tokens. Raises TextError, ModelError (see `windows_of`)."""

    @torch.inference_mode()
    def __init__(self, base: LanguageModel, ids: list[int], context: int) -> None:
        self.windows = windows_of(base, ids, context)
        self.tokens = len(ids)
        self._chances: list[list[Tensor]] = []
        self._losses: list[list[Tensor]] = []
        for window in self.windows:
            rows = list(_log_chances(base, window))
            self._chances.append([found.half() for found, _ in rows])
            self._losses.append([-found.gather(1, true[:, None])[:, 0] for found, true in rows])

    @torch.inference_mode()
    def compare(self, candidate: LanguageModel) -> tuple[float, float]:
        """(mean difference of the loss, mean divergence) of `candidate`, nats per token."""
        loss, divergence, tokens = 0.0, 0.0, 0
        for window, chances, losses in zip(self.windows, self._chances, self._losses, strict=True):
            parts = zip(_log_chances(candidate, window), chances, losses, strict=True)
            for (found, true), kept, before in parts:
                log_p = kept.float()
                loss += float((-found.gather(1, true[:, None])[:, 0] - before).sum())
                # What underflowed to minus infinity has no probability, and adds nothing.
                terms = torch.where(log_p > -torch.inf, log_p.exp() * (log_p - found), 0.0)
                divergence += float(terms.sum(1).clamp_min(0.0).sum())
                tokens += len(true)
        return loss / tokens, divergence / tokens


def _log_chances(model: LanguageModel, window: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """A few predictions of a window at a time: log-probabilities [n, V] in float32, and the true tokens [n]."""
    (states,) = predicting_states(model, [window], lambda: None)
    for some, true in zip(states.split(ROWS), targets_of(model, window).split(ROWS), strict=True):
        yield model.head(some[None])[0].float().log_softmax(-1), true
