"""Runs that were begun for somebody who looks and did not ask: they end when nobody looks any more.

A closed tab tells nobody that it is closed, so who looks is asked, again and again, whether they are still there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.store.run import Status

GRACE_S = 10.0
"""A tab that is loaded again, or whose connection broke, is back after this long."""
TICK_S = 1.0

Present = Callable[[], bool]
Clock = Callable[[], float]

log = logging.getLogger(__name__)


@dataclass
class Watched:
    """present: by viewer, whether that one is still there. seen: when the last of them was. withdrawn: it was told to
    stop, and is forgotten as soon as it has."""

    seen: float
    present: dict[str, Present] = field(default_factory=dict)
    withdrawn: bool = False


class Onlookers:
    """Who looks at which run. Safe to use from several threads."""

    def __init__(self, client: Client, grace_s: float = GRACE_S, clock: Clock = time.monotonic) -> None:
        self.client, self.grace_s, self.clock = client, grace_s, clock
        self._watched: dict[int, Watched] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begun(self, id: int, viewer: str, present: Present) -> None:
        """Run `id` was begun for `viewer`, who did not ask for it. present: whether the viewer is still there."""
        with self._lock:
            self._watched[id] = Watched(self.clock(), {viewer: present})
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="onlookers", daemon=True)
                self._thread.start()

    def look(self, id: int, viewer: str, present: Present) -> None:
        """`viewer` sees run `id` too; of no account where it was asked for."""
        with self._lock:
            if id in self._watched:
                self._watched[id].present[viewer] = present

    def asked_for(self, id: int) -> None:
        """Somebody wants run `id` to be done, whoever looks."""
        with self._lock:
            self._watched.pop(id, None)

    def unasked(self, id: int) -> bool:
        """Whether nobody asked for run `id`."""
        with self._lock:
            return id in self._watched

    def withdraw(self, id: int) -> None:
        """Have run `id` stopped if nobody asked for it, and leave no trace of it: whoever comes back finds it not
        begun, and not as one that somebody cancelled."""
        with self._lock:
            if id not in self._watched:
                return
            self._watched[id].withdrawn = True
        self.client.cancel(id)

    def check(self) -> None:
        """Withdraw what nobody has looked at for `grace_s` seconds, forget what has ended."""
        with self._lock:
            watched = dict(self._watched)
        for id, one in watched.items():
            run = self.client.run(id)
            if run is None or not run.live:
                self.asked_for(id)
                if run is not None and one.withdrawn and run.status == Status.CANCELLED:
                    self.client.delete(id)
            elif one.withdrawn:
                continue
            elif any(present() for present in one.present.values()):
                one.seen = self.clock()
            elif self.clock() - one.seen > self.grace_s:
                self.withdraw(id)

    def _watch(self) -> None:
        while True:
            time.sleep(TICK_S)
            try:
                self.check()
            except (OptLabError, SQLAlchemyError):  # a run that was deleted just now, a busy store: look again
                log.exception("onlookers were not counted")
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
