"""The database behind a store, and the three ways to ask it: read, write, or one statement alone.

A database file may be deleted, or another one moved to its place, while programs have it open: what they wrote would go
to a file that nobody finds again. So every access looks whether the file is still the one that was opened, and opens
what is there now if it is not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optlab import paths
from optlab.store.answers import Answers
from optlab.store.damage import damaged_error
from optlab.store.schema import in_memory, open_engine, sqlite_file

QUICK_S = 1.0
ENDINGS = ("", "-wal", "-shm")
"""Of the names of a database file and of those that SQLite keeps beside it."""
T = TypeVar("T")

log = logging.getLogger(__name__)

Inodes = dict[Path, tuple[int, int]]
"""Device and inode of a database file and of the files that SQLite keeps beside it, where they are there."""


class Database:
    """A database at `url` (SQLAlchemy; default `optlab.paths.store_url()`). Safe between threads and processes.

    replaced: seconds since 1970 when its file was last seen to be another one than before; None if it never was.
    Raises OptLabError when it cannot be opened, and its DamagedStoreError whenever it turns out to be damaged.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or paths.store_url()
        self.engine = open_engine(self.url)
        self.replaced: float | None = None
        # one connection serves all threads of an in-memory store, so they must take turns
        self._turn: Any = threading.RLock() if in_memory(self.url) else nullcontext()
        self._file = sqlite_file(self.url)
        self._files = () if self._file is None else tuple(Path(f"{self._file}{ending}") for ending in ENDINGS)
        self._opened = self._inodes()
        self._reopening = threading.Lock()
        self._answers = Answers(self._file)

    def close(self) -> None:
        """Close all connections."""
        self._answers.close()
        self.engine.dispose()

    def writable(self, within_s: float = QUICK_S) -> bool:
        """Whether the store can be written to without waiting longer than that for somebody who keeps it locked."""
        began = time.monotonic()
        try:
            with self._write():
                pass
        except sa.exc.OperationalError:
            return False
        return time.monotonic() - began <= within_s

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        self._open_what_is_there()
        with damaged_error(self.url), self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        self._open_what_is_there()
        with damaged_error(self.url), self._turn, self._connected("read") as connection:
            yield connection

    @contextmanager
    def _look(self) -> Iterator[Connection]:
        """For one reading statement, which sees one state of the database by itself."""
        self._open_what_is_there()
        with damaged_error(self.url), self._turn, self._connected("statement") as connection:
            yield connection

    @contextmanager
    def _statement(self) -> Iterator[Connection]:
        """For one writing statement that holds no lock before or after it; see `optlab.store.schema`."""
        self._open_what_is_there()
        with damaged_error(self.url), self._turn, self._connected("statement") as connection, connection.begin():
            yield connection

    def _unless_written(self, question: Hashable, answer: Callable[[], T]) -> T:
        """`answer()`, or what that was if nothing was written since; `question` names it. Not to be changed."""
        self._open_what_is_there()
        return self._answers.get(question, answer)

    def _connected(self, mode: str) -> Connection:
        return self.engine.connect().execution_options(mode=mode)

    def _open_what_is_there(self) -> None:
        if self._file is None or self._unchanged():
            return
        with self._reopening:
            if self._unchanged():  # another thread was here
                return
            log.warning("the database %s was deleted or replaced; going on with what is there now", self._file)
            # A write-ahead log and an index that belong to the old file would be applied to the new one. Those of
            # another process that has already opened the new one are others than we had.
            for path, inode in self._opened.items():
                with suppress(OSError):
                    if path != self._file and _inode(path) == inode:
                        path.unlink()
            self._answers.close()
            self.engine.dispose()
            self.engine = open_engine(self.url)
            self._opened, self._answers = self._inodes(), Answers(self._file)
            self.replaced = time.time()

    def _unchanged(self) -> bool:
        assert self._file is not None
        try:
            if _inode(self._file) != self._opened.get(self._file):
                return False
        except OSError:
            return False
        self._opened = self._inodes()
        return True

    def _inodes(self) -> Inodes:
        found: Inodes = {}
        for path in self._files:
            with suppress(OSError):
                found[path] = _inode(path)
        return found


def _inode(path: Path) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_dev, state.st_ino
