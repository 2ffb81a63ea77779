"""What stands around the words of a window: BOS for a causal model that asks for it, [CLS] and [SEP] for a masked one.

A window of `context` tokens is that many tokens of the text whose first is overwritten by BOS, where the model's
tokenizer begins with one. That is how `llama-perplexity` cuts (`tools/perplexity/perplexity.cpp`: with add_bos the
first token of every chunk becomes BOS), so with and without BOS a window has `context - 1` predicted tokens, none of
the model's positions goes unused, and the figures can be compared. One rule for everything that is cut into windows:
evaluation, calibration, training, anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BosRule = Literal["auto", "always", "never"]
"""auto: as the tokenizer's files say. always: BOS also where they do not ask for it. never: the text alone."""


@dataclass(frozen=True)
class Framing:
    """Token ids that stand before and after the words of every window: context, never counted as predictions."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.before) + len(self.after)

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    def over(self, window: Sequence[int]) -> list[int]:
        """`window` with its first and last tokens overwritten; as long as before."""
        return [*self.before, *window[len(self.before) : len(window) - len(self.after)], *self.after]

    def windows(self, ids: Sequence[int], context: int) -> list[list[int]]:
        """`ids` cut into whole windows of `context` tokens, each framed; what remains at the end is left out."""
        return [self.over(ids[start : start + context]) for start in range(0, len(ids) - context + 1, context)]


NOTHING = Framing()
