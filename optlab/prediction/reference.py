"""What the original says at every token of the anchors' words, kept, so that an anchor costs one model and not two.

The hidden states are kept, and of the first windows, which every anchor reads, the logarithms of the probabilities
too: the head of a large vocabulary takes a fifth of a forward pass, and its softmax as long again. In half precision
they are 200 MB for 2048 tokens of 49,152 words, with an error of 0.0005 that vanishes in a mean over tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from optlab.divergence import kl_divergence
from optlab.evaluation.scoring import log_probabilities, predicting_states, rows_at_once, targets_of
from optlab.models.language_model import LanguageModel

LARGEST_BYTES = 256 << 20
"""Of probabilities that are kept."""


class Reference:
    """Of `base` on windows of token ids, all of one length."""

    @torch.inference_mode()
    def __init__(self, base: LanguageModel, windows: list[list[int]]) -> None:
        """windows: as `scoring.windows_of` cuts them with the model's own framing."""
        self.base, self.windows, self.framing = base, windows, base.framing()
        self._rows = rows_at_once(base)
        self._states = [self._read(base, window) for window in windows]
        self._kept: list[list[Tensor]] = []
        for number in range(min(len(windows), self._room())):
            self._kept.append([log_p.half() for log_p in log_probabilities(base, self._states[number], self._rows)])

    @torch.inference_mode()
    def compare(self, candidate: LanguageModel) -> tuple[float, float]:
        """(mean difference of the loss, mean divergence) of `candidate`, nats per token."""
        loss, divergence, tokens = 0.0, 0.0, 0
        for number, window in enumerate(self.windows):
            targets = targets_of(self.base, window, self.framing).split(self._rows)
            of_candidate = log_probabilities(candidate, self._read(candidate, window), self._rows)
            for log_p, log_q, true in zip(self._original(number), of_candidate, targets, strict=True):
                loss += float((log_p - log_q).gather(1, true[:, None]).sum())
                divergence += float(kl_divergence(log_p, log_q).clamp_min(0.0).sum())
                tokens += len(true)
        return loss / tokens, divergence / tokens

    def _original(self, number: int) -> Iterator[Tensor]:
        if number < len(self._kept):
            return (kept.float() for kept in self._kept[number])
        return log_probabilities(self.base, self._states[number], self._rows)

    def _room(self) -> int:
        return LARGEST_BYTES // (2 * len(self._states[0]) * self.base.description.vocabulary)

    def _read(self, model: LanguageModel, window: list[int]) -> Tensor:
        (states,) = predicting_states(model, [window], lambda: None, self.framing)
        return states
