"""Documents that are nearly the same: news agencies reprint, data sets repeat with a changed header.

A near copy on the other side of a split would let a model calibrate on what it is measured on. Two documents are taken
for near copies when at least half of the smallest `SKETCH` hashes of their runs of words agree, which estimates the
share of runs they have in common (bottom-k sketches; Broder, On the Resemblance and Containment of Documents, 1997).
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections import Counter
from collections.abc import Sequence

RUN = 5
"""Words of a run."""
SKETCH = 16
CROWDED = 64
"""A run that more documents share is boilerplate and tells nothing."""
WORD = re.compile(r"\w+")


def groups(documents: Sequence[str]) -> list[list[int]]:
    """Numbers of documents, those that are nearly the same together, in order of the first of each group."""
    alike: dict[frozenset[int], list[int]] = {}
    for number, document in enumerate(documents):
        alike.setdefault(sketch(document), []).append(number)
    sketches, members = list(alike), list(alike.values())
    holders: dict[int, list[int]] = {}
    for number, some in enumerate(sketches):
        for run in some:
            holders.setdefault(run, []).append(number)
    parent = list(range(len(sketches)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for number, some in enumerate(sketches):
        met: Counter[int] = Counter()
        for run in some:
            if len(holders[run]) <= CROWDED or len(some) == 1:
                met.update(other for other in holders[run] if other < number)
        for other, shared in met.items():
            if 2 * shared >= min(len(some), len(sketches[other])):
                parent[max(root(number), root(other))] = min(root(number), root(other))
    found: dict[int, list[int]] = {}
    for number, same in enumerate(members):
        found.setdefault(root(number), []).extend(same)
    return sorted(map(sorted, found.values()))


def sketch(document: str) -> frozenset[int]:
    """The smallest hashes of its runs of words, lower case; of a shorter document that of all its words."""
    words = [word.encode() for word in WORD.findall(document.lower())]
    runs = {zlib.crc32(b" ".join(words[i : i + RUN])) for i in range(max(len(words) - RUN + 1, 1))}
    return frozenset(heapq.nsmallest(SKETCH, runs))
