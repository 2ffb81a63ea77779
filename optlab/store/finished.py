"""The finished runs of a kind, kept in memory: pages read all of them at every movement of a knob.

A run that is done never changes but for what people write on it (the store adds that anew); it can only be deleted, and
its number is not given again. So only numbers are asked for, from an index, and each row is read once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from optlab.store.run import Run

LARGEST = 64 << 20
"""Characters of JSON that are kept; a store with more of it is read from the disk again for what does not fit."""


class Finished:
    """read: the rows of these numbers. Safe between threads."""

    def __init__(self, read: Callable[[Sequence[int]], list[Run]]) -> None:
        self.read = read
        self._known: dict[int, Run] = {}
        self._size = 0
        self._lock = threading.Lock()

    def of(self, ids: Sequence[int]) -> list[Run]:
        """The runs of these numbers, which are all that are done now, in their order; one deleted just now is left
        out."""
        with self._lock:
            for gone in self._known.keys() - set(ids):
                self._size -= _size(self._known.pop(gone))
            found = dict(self._known)
            for run in self.read([id for id in ids if id not in found]):
                found[run.id] = run
                if self._size + _size(run) <= LARGEST:
                    self._known[run.id] = run
                    self._size += _size(run)
        return [found[id] for id in ids if id in found]


def _size(run: Run) -> int:
    return len(run.spec_json) + len(run.result_json or "")
