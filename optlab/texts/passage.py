"""The words a model is measured on, as token ids with what is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optlab.framing import NOTHING, Framing


@dataclass(frozen=True)
class Passage:
    """ids: to be cut into windows one after the other. bytes: of the text under each id, None when it is not at hand.

    framing: what stands around the words of every window. lookalikes: how often the words hold what looks like a
    special token and was encoded as characters. consecutive: neighbouring windows are neighbours in the text, so what
    is hard in one tends to be hard in the next; strewn ones are as good as independent.
    """

    ids: Sequence[int]
    bytes: Sequence[int] | None = None
    framing: Framing = NOTHING
    lookalikes: int = 0
    consecutive: bool = True

    def __len__(self) -> int:
        return len(self.ids)
