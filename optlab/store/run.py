"""What a run is: one piece of work that a person asked for, and everything that is known about it.

A run moves along these arrows and no others; the store refuses every other move, so that two processes that disagree
(a worker that was thought dead, a tab that cancels what has just finished) cannot contradict each other:

    queued -> running -> done
      |          |-----> failed --------|
      |          |-----> interrupted ---|--> queued (retry)
      |--------> '-----> cancelled -----|
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from optlab.errors import OptLabError


class Status(StrEnum):
    """Where a run is in its life; the words are those of the database and of every JSON."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


LIVE = (Status.QUEUED, Status.RUNNING)
RETRYABLE = (Status.FAILED, Status.CANCELLED, Status.INTERRUPTED)


class UnknownRunError(OptLabError):
    """The run that was asked for is not in the store."""


@dataclass(frozen=True)
class Label:
    """What people write on a run; it decides nothing. name: in the place of its title; note: anything; starred: it
    matters."""

    name: str = ""
    note: str = ""
    starred: bool = False


@dataclass(frozen=True)
class Run:
    """A row of the store at one moment.

    id: counts up from 1. key: hash of everything that decides the result. progress: 0 to 1. created, started,
    finished: seconds since 1970. seconds_left: of work, as its worker last told, and never more than a tenth above what
    it told before; None while that is a guess.
    attempts: 1 for a run that was never retried. worker: id of the process that has or had it. asked_by: who started it
    (`optlab.people`), '' for the owner of the account. label: what people wrote on it.

    spec_json: what to do. partial_json: results so far, replaced by every report. result_json: None before it is done.
    The store does not look into these; a run's kind reads them as types (`optlab.jobs.kind.JobKind.result_of`).
    """

    id: int
    key: str
    kind: str
    status: Status
    spec_json: str
    title: str
    created: float
    progress: float = 0.0
    message: str = ""
    partial_json: str = "{}"
    result_json: str | None = None
    error: str | None = None
    started: float | None = None
    finished: float | None = None
    worker: str | None = None
    attempts: int = 1
    seconds_left: float | None = None
    asked_by: str = ""
    label: Label = Label()

    @property
    def done(self) -> bool:
        """Whether its result is there."""
        return self.status == Status.DONE

    @property
    def live(self) -> bool:
        """Whether it waits or works, so that its page is worth refreshing."""
        return self.status in LIVE

    @property
    def retryable(self) -> bool:
        """Whether a retry button makes sense."""
        return self.status in RETRYABLE

    def elapsed(self, now: float | None = None) -> float | None:
        """Seconds of work so far, or in all; None before it starts."""
        if self.started is None:
            return None
        return max((self.finished or now or time.time()) - self.started, 0.0)


@dataclass(frozen=True)
class Worker:
    """The last sign of life of a worker process. beat: seconds since 1970. rss: bytes. cpu: percent of one core."""

    id: str
    pid: int
    run_id: int | None
    started: float
    beat: float
    rss: int
    cpu: float

    def age(self, now: float | None = None) -> float:
        """Seconds since its last beat."""
        return max((now or time.time()) - self.beat, 0.0)
