"""What the original says at every token of the anchors' words, kept, so that an anchor costs one model and not two.

The hidden states are kept, and of the first windows, which every anchor reads, the logarithms of the probabilities
too: the head of a large vocabulary takes a fifth of a forward pass, and its softmax as long again. In half precision
they are 200 MB for 2048 tokens of 49,152 words, with an error of 0.0005 that vanishes in a mean over tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from optlab.evaluation.scoring import predicting_states, targets_of
from optlab.models.language_model import LanguageModel

ROWS = 128
"""Tokens whose whole vocabulary is held in float32 at once."""
LARGEST_BYTES = 256 << 20
"""Of probabilities that are kept."""


class Reference:
    """Of `base` on windows of token ids, all of one length."""

    @torch.inference_mode()
    def __init__(self, base: LanguageModel, windows: list[list[int]]) -> None:
        """windows: as `scoring.windows_of` cuts them with the model's own framing."""
        self.base, self.windows, self.framing = base, windows, base.framing()
        self._states = [self._read(base, window) for window in windows]
        self._kept: list[list[Tensor]] = []
        for number in range(min(len(windows), self._room())):
            self._kept.append([found.half() for found, _ in self._original(number)])

    @torch.inference_mode()
    def compare(self, candidate: LanguageModel, windows: int) -> tuple[float, float]:
        """(mean difference of the loss, mean divergence) of `candidate` on the first `windows`, nats per token."""
        loss, divergence, tokens = 0.0, 0.0, 0
        for number, window in enumerate(self.windows[:windows]):
            of_candidate = self._log_chances(candidate, self._read(candidate, window), window)
            for (log_p, true), (log_q, _) in zip(self._original(number), of_candidate, strict=True):
                loss += float((log_p - log_q).gather(1, true[:, None]).sum())
                # What underflowed to minus infinity has no probability, and adds nothing.
                terms = torch.where(log_p > -torch.inf, log_p.exp() * (log_p - log_q), 0.0)
                divergence += float(terms.sum(1).clamp_min(0.0).sum())
                tokens += len(true)
        return loss / tokens, divergence / tokens

    def _original(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        window = self.windows[number]
        if number >= len(self._kept):
            yield from self._log_chances(self.base, self._states[number], window)
            return
        true = targets_of(self.base, window, self.framing).split(ROWS)
        yield from ((kept.float(), some) for kept, some in zip(self._kept[number], true, strict=True))

    def _room(self) -> int:
        return LARGEST_BYTES // (2 * len(self._states[0]) * self.base.description.vocabulary)

    def _read(self, model: LanguageModel, window: list[int]) -> Tensor:
        (states,) = predicting_states(model, [window], lambda: None, self.framing)
        return states

    def _log_chances(self, model: LanguageModel, states: Tensor, window: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """A few predictions of a window at a time: log-probabilities [n, V] in float32, and the true tokens [n]."""
        for some, true in zip(states.split(ROWS), targets_of(model, window, self.framing).split(ROWS), strict=True):
            yield model.head(some[None])[0].float().log_softmax(-1), true
