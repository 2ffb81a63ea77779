"""How long each kind of work takes on this machine, learned from what it did and kept in `OPTLAB_HOME/durations.json`.

A duration is kept with the amount of work that took it, under two keys: one that names what was worked on, one that
does not. The same work on the same model is expected to take what it took; on a model that was never seen, in
proportion to its amount; and what was never done here at all, as long as on the machine where the priors were taken,
times how this machine compares with it in what it did do.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from optlab import files, paths
from optlab.results.document import Document, Part, UnreadableError
from optlab.results.fields import Seconds

KEPT = 5
"""Newest durations of a key: their median forgets a minute in which the machine was busy."""
MOST_KEYS = 1_000
TELLS_S = 1.0
"""Seconds of a prior below which starting weighs more than the work: what took that long says something of the same
work only. A model of 30,000 parameters once made an hour of two minutes."""
STOPPED = 0.9
"""Of its limit, beyond which work was probably ended by it."""
FILE = "durations.json"
MACHINE = "machine"


@dataclass(frozen=True)
class Work:
    """A piece of work whose duration can be learned.

    key: what decides how long a unit of it takes. about: what it is done to, '' where that makes no difference.
    amount: in a unit of which the duration is a multiple. prior_s: seconds that it took on the machine of the priors,
    None where that was never timed. most_s: seconds after which it ends, finished or not; None where it has no limit.
    """

    key: str
    about: str
    amount: float
    prior_s: float | None = None
    most_s: float | None = None


class Taken(Part):
    """seconds: that `amount` of work took."""

    seconds: Seconds
    amount: float


class Durations(Document):
    """taken: by key, newest last. Immutable; `learned` gives one that knows more."""

    taken: dict[str, tuple[Taken, ...]] = Field(default_factory=dict)

    def expected(self, work: Work) -> float | None:
        """Seconds that `work` should take; None where nothing is known of it."""
        found = self._to_its_end(work)
        return found if found is None or work.most_s is None else min(found, work.most_s)

    def _to_its_end(self, work: Work) -> float | None:
        for key in (f"{work.key}/{work.about}", work.key):
            if found := self.taken.get(key):
                return work.amount * statistics.median(one.seconds / one.amount for one in found)
        if work.prior_s is None:
            return None
        machine = [one for one in self.taken.get(MACHINE, ()) if one.amount >= TELLS_S]
        return work.prior_s * (statistics.median(one.seconds / one.amount for one in machine) if machine else 1.0)

    def done_before(self, work: Work) -> bool:
        """Whether this very work was done on this machine."""
        return f"{work.key}/{work.about}" in self.taken

    def learned(self, work: Work, seconds: float) -> Durations:
        """With one more: `work` took `seconds`. What its limit ended was not done, and teaches nothing."""
        stopped = work.most_s is not None and seconds > STOPPED * work.most_s
        if work.amount <= 0 or stopped:
            return self
        took = Taken(seconds=seconds, amount=work.amount)
        new = {f"{work.key}/{work.about}": took}
        if work.prior_s is None or work.prior_s >= TELLS_S:
            new[work.key] = took
        if work.prior_s is not None and work.prior_s >= TELLS_S:
            new[MACHINE] = Taken(seconds=seconds, amount=work.prior_s)
        taken = dict(self.taken)
        for key, one in new.items():
            taken[key] = (*taken.pop(key, ()), one)[-KEPT:]  # popped: the key that was used longest ago is the first
        return Durations(taken=dict(list(taken.items())[-MOST_KEYS:]))


def whole_key(kind: str, model: str) -> str:
    """The key of a run as one piece of work, for kinds that do not know their phases."""
    return f"run/{kind}/{model}"


def load() -> Durations:
    """What this machine knows; nothing where the file is missing or cannot be read."""
    try:
        return _read(_file(), _file().stat().st_mtime_ns)
    except (OSError, UnreadableError, UnicodeDecodeError):
        return Durations()


@lru_cache(maxsize=4)  # a page asks at every movement of a knob
def _read(file: Path, changed_ns: int) -> Durations:
    return Durations.from_json(file.read_text(encoding="utf-8"))


def learn(done: Sequence[tuple[Work, float]]) -> None:
    """Remember that each work took so many seconds. Of two processes that end at once one may be forgotten."""
    known = load()
    for work, seconds in done:
        known = known.learned(work, seconds)
    with suppress(OSError):  # a full disk costs an estimate, not the run
        files.write_text(_file(), known.to_json())


def _file() -> Path:
    return paths.home() / FILE
