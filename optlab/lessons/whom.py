"""Lesson 14: whom compression hurts: the change of the loss by what kind of token is predicted, in which text.

A mean over a text hides who pays. nano and its compressed copies read the same windows of held-out text; every
predicted token belongs to one group of each kind, and a group's change is the mean over its tokens of the compressed
model's loss minus the original's, in nats. Reading takes minutes and counting what nano was trained on half of one, so
`scripts/whom.py` did it once and `assets/lessons/whom.json` keeps what it found.

Hooker et al. 2019, arXiv 1911.05248, asked the same of pruned image classifiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optlab import paths
from optlab.evaluation.paired import interval
from optlab.lessons.weights import Array
from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Number, Word
from optlab.results.recipe import RecipeField

FILE = "lessons/whom.json"
CONTEXT = 256
"""Tokens of a window."""
RARE = (100, 1_000, 10_000)
"""Times a token was met in training: the ends of the groups, each but the last exclusive."""
EARLY = (16, 64)
"""Places in a window: the ends of the groups."""
FREQUENCIES = ("under-100", "under-1000", "under-10000", "more")
PLACES = ("first-16", "first-64", "later")
SORTS = ("word", "inside", "punctuation", "line", "capitals")


class Change(Part):
    """Of one group by one recipe: the mean change of the loss in nats, with its 95 % interval over windows."""

    nats: Number
    ci95: Interval | None


class Group(Part):
    """Tokens with something in common. kind: "frequency", "place", "sort" or "text". loss: the original's mean, nats.
    changes: one for each recipe, in the order of `Whom.recipes`."""

    kind: Word
    name: Word
    tokens: Count
    loss: Number
    changes: tuple[Change, ...]


class Tried(Part):
    """A recipe by the name that the lesson uses for it."""

    name: Word
    recipe: RecipeField


class Whom(Document):
    """Everything that was read: recipes, and groups of all kinds."""

    version: ClassVar[int] = 1

    recipes: tuple[Tried, ...]
    groups: tuple[Group, ...]

    def of(self, kind: str) -> list[Group]:
        """The groups of one kind, in their order."""
        return [group for group in self.groups if group.kind == kind]


@dataclass(frozen=True)
class Losses:
    """Windows [W, T] of token ids of one text, and per predicted token [W, T - 1] the original's loss and those of the
    compressed models [R, W, T - 1], nats."""

    text: str
    ids: Array
    original: Array
    compressed: Array


def load() -> Whom:
    """What was found. Raises UnreadableError."""
    return Whom.from_json((paths.ASSETS / FILE).read_text(encoding="utf-8"))


def groups(read: Sequence[Losses], counts: Array, pieces: Sequence[str]) -> list[Group]:
    """All groups. The first of `read` is divided by frequency, place and sort; each is a group of texts itself.

    counts [V]: how often each token stands in the text that the model was trained on. pieces [V]: tokens as they read.
    """
    first, found = read[0], []
    predicted = first.ids[:, 1:]
    place = np.broadcast_to(np.arange(1, first.ids.shape[1]), predicted.shape)
    sorts = np.asarray([SORTS.index(sort(piece)) for piece in pieces])
    for kind, names, labels in (
        ("frequency", FREQUENCIES, np.searchsorted(RARE, counts, side="right")[predicted]),
        ("place", PLACES, np.searchsorted(EARLY, place, side="right")),
        ("sort", SORTS, sorts[predicted]),
    ):
        found += [_group(kind, name, first, labels == number) for number, name in enumerate(names)]
    found += [_group("text", one.text, one, np.ones_like(one.original, bool)) for one in read]
    return found


def sort(piece: str) -> str:
    """What kind of token reads as `piece`: its own spelling decides, whatever stands around it."""
    if "\n" in piece:
        return "line"
    if not any(letter.isalnum() for letter in piece):
        return "punctuation"
    word = piece.strip()
    if len(word) > 1 and word.isupper():
        return "capitals"
    return "word" if piece.startswith(" ") or word[0].isupper() else "inside"


def _group(kind: str, name: str, read: Losses, there: Array) -> Group:
    count = there.sum(1)
    gaps = (read.compressed - read.original) * there
    return Group(
        kind=kind, name=name, tokens=int(count.sum()), loss=float(read.original[there].mean()),
        changes=tuple(change(gap.sum(1), count) for gap in gaps),
    )  # fmt: skip


def change(sums: Array, counts: Array) -> Change:
    """The mean of a quantity of which window w has `sums[w]` over `counts[w]` tokens. Windows hang together and hold
    unequally many tokens of a group: a ratio of two means, whose interval is that of its linear part (Cochran, Sampling
    Techniques, 1977, section 6.3)."""
    mean = float(sums.sum() / counts.sum())
    return Change(nats=mean, ci95=interval(mean + (sums - mean * counts) / counts.mean()))
