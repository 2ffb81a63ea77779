"""The database behind a store, and the three ways to ask it: read, write, or one statement alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy.engine import Connection

from optlab import paths
from optlab.store.schema import in_memory, open_engine


class Database:
    """A database at `url` (SQLAlchemy; default `optlab.paths.store_url()`). Safe between threads and processes.

    Raises OptLabError when it cannot be opened.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or paths.store_url()
        self.engine = open_engine(self.url)
        # one connection serves all threads of an in-memory store, so they must take turns
        self._turn: Any = threading.RLock() if in_memory(self.url) else nullcontext()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._turn, self.engine.connect().execution_options(mode="read") as connection:
            yield connection

    @contextmanager
    def _statement(self) -> Iterator[Connection]:
        """For one writing statement that holds no lock before or after it; see `optlab.store.schema`."""
        with self._turn, self.engine.connect().execution_options(mode="statement") as connection, connection.begin():
            yield connection
