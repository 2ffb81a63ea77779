"""The log of a run: lines wait in memory until the store has them, so that no work waits for it or fails with it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from sqlalchemy.exc import SQLAlchemyError

from optlab.errors import OptLabError
from optlab.store.store import LONGEST_LOG, Lines, Store

AT_ONCE = 200
"""Lines that one statement writes."""

log = logging.getLogger(__name__)


class RunLog:
    """Call it with a line. Safe between threads: the work writes, the heartbeat flushes; nothing here raises.

    More lines than a log keeps are never held: the oldest go, as they would in the store.
    """

    def __init__(self, store: Store, id: int) -> None:
        self.store, self.id = store, id
        self._lines: deque[tuple[float, str]] = deque(maxlen=LONGEST_LOG)
        self._writing = threading.Lock()

    def __call__(self, line: str) -> None:
        self._lines.append((time.time(), line))

    def flush(self) -> bool:
        """Write what waits; whether nothing is left. What a busy or full store does not take is tried again later."""
        with self._writing:
            while lines := self._next():
                try:
                    self.store.append(self.id, lines)
                except (SQLAlchemyError, OptLabError):
                    log.warning("%d lines of run %d wait for the store", len(self._lines), self.id)
                    return False
                for line in lines:
                    if self._lines and self._lines[0] is line:  # else it has gone to make room
                        self._lines.popleft()
            return True

    def _next(self) -> Lines:
        return [self._lines[index] for index in range(min(len(self._lines), AT_ONCE))]
