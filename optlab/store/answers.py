"""What a database answered, kept while nobody writes: pages ask the same few questions at every movement of a knob.

SQLite counts the commits of other connections (`PRAGMA data_version`), so a connection that never writes tells in some
microseconds whether anything was committed since, by this process or another one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 256
"""Answers that are kept; a page asks a dozen questions."""


class Answers:
    """Of the database in `file`; None for one whose commits cannot be counted so, and nothing is kept. Safe between
    threads."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._counting: sqlite3.Connection | None = None
        self._commits: int | None = None
        self._known: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable, answer: Callable[[], T]) -> T:
        """`answer()`, or what it was while no commit has come since; not to be changed."""
        commits = self._count()
        if commits is None:
            return answer()
        with self._lock:
            if commits == self._commits and question in self._known:
                found: T = self._known[question]
                return found
        found = answer()  # a commit may come before this, never after the count: then it is asked again next time
        with self._lock:
            if commits != self._commits or len(self._known) >= MOST:
                self._commits, self._known = commits, {}
            self._known[question] = found
        return found

    def close(self) -> None:
        """Close its connection; it is opened again when it is asked."""
        with self._lock:
            if self._counting is not None:
                self._counting.close()
            self._counting = self._commits = None

    def _count(self) -> int | None:
        """None where nobody can say."""
        if self._file is None:
            return None
        with self._lock:
            try:
                if self._counting is None:
                    self._counting = sqlite3.connect(
                        f"{self._file.as_uri()}?mode=rw", uri=True, timeout=0, check_same_thread=False,
                        isolation_level=None,
                    )  # fmt: skip
                return int(self._counting.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error:  # locked, damaged or gone, which whoever reads it will be told
                return None
