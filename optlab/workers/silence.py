"""Which workers have died or hang: believed at the second look, while the store could be written to.

A sign of life is a time in the database. It grows old when a worker dies, but also while somebody keeps the store
locked, when the clock of the machine is set forward, and when the machine sleeps. So a worker that looks silent is
looked at again a little later, and what it was not able to say meanwhile is not held against it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from optlab.store.schema import BUSY_TIMEOUT_MS
from optlab.store.store import LOST, Store

SILENT_S = 15.0
"""A worker that gave no sign of life for this long looks silent: longer than one sign may wait for a locked store."""
AGAIN_S = 3.0
"""Between two looks; a worker beats every second."""
assert SILENT_S > BUSY_TIMEOUT_MS / 1000


class Silence:
    """Looks at the workers of `store`. clock: seconds that only go forward."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        self._since: dict[str, float] = {}

    def look(self) -> list[str]:
        """Names of workers that are silent beyond doubt; call it every now and then."""
        suspects = self.store.silent(SILENT_S)
        if not suspects or not self.store.writable():
            self._since = {}
            return []
        now = self.clock()
        self._since = {name: self._since.get(name, now) for name in suspects}
        return [name for name, since in self._since.items() if now - since >= AGAIN_S]

    def settle(self) -> None:
        """Interrupt the runs of workers that are silent beyond doubt; waits for the second look where one is needed."""
        believed = self.look()
        while self._since and not believed:
            time.sleep(AGAIN_S / 10)
            believed = self.look()
        for name in believed:
            self.store.dismiss(name, LOST)
