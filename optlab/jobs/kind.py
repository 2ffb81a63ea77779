"""A kind of run: everything that store, worker, client, archive and pages need to know of it, said once.

A new kind is one file with its spec, its result, its `execute` and a `JobKind`, and one line in `optlab.jobs.registry`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from optlab.jobs.resolution import digest
from optlab.messages import Message
from optlab.progress import Progress
from optlab.results.document import Document
from optlab.results.specs import Spec
from optlab.store.run import Run

Log = Callable[[str], None]

GENERATING, MEASURING, PREPARING, BACKGROUND = 2, 1, 0, -1
"""Priorities, higher first: a person waits for a text that is being written, nobody watches a conversion. What runs in
the background was asked for by nobody, and makes way for whatever is."""

REMEMBERED = 24 << 20
"""Characters of JSON whose documents are kept; they take ten bytes for each. A page that lists runs reads the same
ones at every movement of a knob."""


class Readable(Protocol):
    """What a run can ask or answer: something with a version that is written as JSON and read again."""

    @classmethod
    def from_json(cls, text: str) -> Self: ...
    def to_json(self) -> str: ...


S = TypeVar("S", bound=Spec)
P = TypeVar("P", bound=Document)
R = TypeVar("R", bound=Readable)
D = TypeVar("D", bound=Readable)


@dataclass(frozen=True)
class JobKind(Generic[S, P, R]):
    """One kind of run.

    name: as the store keeps it. label: what people call it, English. spec, partial, result: the types of what is asked,
    of what is known while it goes on, and of the answer. execute: does the work, in a worker; torch only inside. It
    calls `progress` between small pieces of work and lets the `Cancelled` that this may raise through. decides: what
    decides the result besides `version`, from the spec and what identifies the model's weights; whoever asks for the
    same gets the same run. title: of one run. version: raised whenever the same spec would have another
    result than before. portable: the result means the same on another machine, so archives hold it. formerly: names
    that older archives have for it. modules: what `execute` imports itself; a worker imports it before its first run.
    builds: "module:function" of what is built once on a machine, which a worker begins with before a run waits for it.
    """

    name: str
    label: str
    spec: type[S]
    partial: type[P]
    result: type[R]
    execute: Callable[[S, Progress, Log], R]
    decides: Callable[[S, str], Sequence[Any]]
    title: Callable[[S], Message]
    version: int = 1
    priority: int = MEASURING
    portable: bool = False
    formerly: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()

    def key(self, spec: S, weights: str) -> str:
        """Names the run that answers `spec` about a model with these weights (a fingerprint, or what stands for one
        until they were read)."""
        return digest(self.name, self.version, *self.decides(spec, weights))

    def spec_of(self, run: Run) -> S:
        """What was asked. Raises UnreadableError."""
        return _read(self.spec, run.spec_json)

    def result_of(self, run: Run) -> R | None:
        """What was answered; None before the run is done. Raises UnreadableError."""
        return None if run.result_json is None else _read(self.result, run.result_json)

    def partial_of(self, run: Run) -> P:
        """What is known so far; all defaults before the first report. Raises UnreadableError."""
        return _read(self.partial, run.partial_json)


def _read(document: type[D], text: str) -> D:
    return _documents.get(document, text)


class Documents:
    """Documents that were read, by type and text. Safe between threads.

    Which of them makes room is left to chance: pages read all runs in turn, and of those the least recently used is
    the very next one that will be asked for.
    """

    def __init__(self, largest: int) -> None:
        self.largest, self.size = largest, 0
        self._known: dict[tuple[type[Any], str], Any] = {}
        self._keys: list[tuple[type[Any], str]] = []
        self._lock = threading.Lock()

    def get(self, document: type[D], text: str) -> D:
        """The document. Raises what reading it raises."""
        key = document, text
        found: D | None = self._known.get(key)
        if found is None:
            found = document.from_json(text)
            with self._lock:
                self._keep(key, found)
        return found

    def _keep(self, key: tuple[type[Any], str], found: Any) -> None:
        if key in self._known or len(key[1]) > self.largest:
            return
        while self.size + len(key[1]) > self.largest:
            place = random.randrange(len(self._keys))
            gone, self._keys[place] = self._keys[place], self._keys[-1]
            self._keys.pop()
            del self._known[gone]
            self.size -= len(gone[1])
        self._known[key] = found
        self._keys.append(key)
        self.size += len(key[1])


_documents = Documents(REMEMBERED)
