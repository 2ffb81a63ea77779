"""The finished measurements of a store, which pages walk through at every movement of a knob.

Each is read and checked once, and then kept as its spec and its headline figures. While nothing is done, deleted or
labelled, everybody gets the very same list, so that what is worked out from it can be kept beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import MeasuredRun, unreadable_because
from optlab.messages import Message
from optlab.results.document import UnreadableError
from optlab.results.measurement import Headline, Measurement, MeasureSpec
from optlab.store.finished import fit
from optlab.store.run import Run
from optlab.store.store import Store

Read = tuple[MeasureSpec, Headline]
Identity = tuple[int, str, float | None]
"""A run that is done stays as it is; another database may give its number to another."""


@dataclass(frozen=True, eq=False)
class History:
    """measurements: newest first, not to be changed. unreadable: why others cannot be read, a sentence each."""

    measurements: list[MeasuredRun]
    unreadable: list[Message]


class Historian:
    """What was read so far. Safe between threads."""

    def __init__(self) -> None:
        self._read: dict[Identity, Read | Message] = {}
        self._runs: list[Run] | None = None
        self._history = History([], [])
        self._lock = threading.Lock()

    def history(self, runs: list[Run]) -> History:
        """Of `runs`, which are all that are done."""
        with self._lock:
            if runs is self._runs:
                return self._history
            found = self._look(runs)
            # the runs of a store that is larger than what may be kept are not held on to, only what was read of them
            self._runs, self._history = (runs, found) if fit(runs) else (None, History([], []))
            return found

    def _look(self, runs: list[Run]) -> History:
        known = {_identity(run): run for run in runs}
        for gone in self._read.keys() - known.keys():
            del self._read[gone]
        for identity in known.keys() - self._read.keys():
            self._read[identity] = _read(known[identity])
        before = {one.run.id: one for one in self._history.measurements}
        measurements, unreadable = [], []
        for identity, run in known.items():
            read = self._read[identity]
            if isinstance(read, tuple):
                same = before.get(run.id)
                measurements.append(same if same is not None and same.run is run else MeasuredRun(run, *read))
            else:
                unreadable.append(read)
        return History(measurements, unreadable)


_historians: WeakKeyDictionary[Store, Historian] = WeakKeyDictionary()
_lock = threading.Lock()


def history(store: Store) -> History:
    """The finished measurements in `store` as it is now."""
    with _lock:
        historian = _historians.setdefault(store, Historian())
    return historian.history(store.finished(MEASURE.name))


def measurements(store: Store) -> list[MeasuredRun]:
    """Those that can be read, newest first; not to be changed."""
    return history(store).measurements


def about(found: Iterable[MeasuredRun], model: str) -> list[MeasuredRun]:
    """Those of one model, as specs name it."""
    return [one for one in found if one.spec.model == model]


def _identity(run: Run) -> Identity:
    return run.id, run.key, run.finished


def _read(run: Run) -> Read | Message:
    """Past the documents that are kept: five thousand would throw out what is on the page."""
    try:
        return MeasureSpec.from_json(run.spec_json), Measurement.from_json(run.result_json or "").headline
    except UnreadableError as error:
        return unreadable_because(run, error)
