"""The finished runs of a kind, kept in memory: pages read all of them at every movement of a knob.

A run that is done never changes but for what people write on it; it can only be deleted, and its number is not given
again. So only numbers and labels are asked for, from an index each, and every row is read once. While neither is
another one, the answer is the very same list: whoever works something out from it sees by that that it still holds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from optlab.store.run import Label, Run

LARGEST = 64 << 20
"""Characters of JSON that are kept; a store with more of it is read from the disk again for what does not fit."""


class Finished:
    """read: the rows of these numbers. Safe between threads."""

    def __init__(self, read: Callable[[Sequence[int]], list[Run]]) -> None:
        self.read = read
        self._known: dict[int, Run] = {}
        self._size = 0
        self._state: object = None
        self._answer: list[Run] = []
        self._lock = threading.Lock()

    def unchanged(self, state: object) -> list[Run] | None:
        """What `of` answered last, if numbers and labels were in this state; else None."""
        with self._lock:
            return self._answer if state == self._state else None

    def of(self, ids: Sequence[int], labels: Mapping[int, Label], state: object) -> list[Run]:
        """The runs of these numbers, which are all that are done now, in their order, with their labels; one deleted
        just now is left out. state: another one whenever numbers or labels are. The list is not to be changed."""
        with self._lock:
            for gone in self._known.keys() - set(ids):
                self._size -= _size(self._known.pop(gone))
            found = dict(self._known)
            for run in self.read([id for id in ids if id not in found]):
                found[run.id] = run
                if self._size + _size(run) <= LARGEST:
                    self._known[run.id] = run
                    self._size += _size(run)
            answer = [self._labelled(found[id], labels.get(id, Label())) for id in ids if id in found]
            # what does not fit is read again, and not held on to
            self._state, self._answer = (state, answer) if len(self._known) == len(answer) else (None, [])
            return answer

    def _labelled(self, run: Run, label: Label) -> Run:
        if run.label == label:
            return run
        run = replace(run, label=label)
        if run.id in self._known:
            self._known[run.id] = run
        return run


def fit(runs: Iterable[Run]) -> bool:
    """Whether the JSON of `runs` together is no more than is kept."""
    return sum(map(_size, runs)) <= LARGEST


def _size(run: Run) -> int:
    return len(run.spec_json) + len(run.result_json or "")
