"""What keeps a store for years: is it whole, a backup of it, a backup brought back, and what a damaged one still gives.

These work on the file of a SQLite database; a database server has its own tools. Whatever replaces the store keeps the
old file beside it, and programs that have the store open go on with the new one (`optlab.store.database`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from optlab import files, paths
from optlab.errors import OptLabError
from optlab.store.damage import damaged
from optlab.store.schema import REVISIONS, in_memory, legacy_version_table, open_engine, sqlite_file, version_table

MOST_FAULTS = 10
RESCUED_TABLES = ("runs", "logs")
"""What workers said last is worth nothing."""
UNKNOWN_END = 1_000_000
"""Rows of a table are looked for up to this number where the database cannot say how many it has."""


@dataclass(frozen=True)
class Rescued:
    """What could be read of a damaged store. aside: where its file is now."""

    runs: int
    lines: int
    aside: Path


def faults(url: str, thorough: bool = False) -> list[str]:
    """What SQLite finds wrong with the file of a store, in its words; empty when it is whole, or not there yet.

    thorough: compares indices with their tables as well, which takes several times as long. A database that is no file
    is left to its server.
    """
    file = sqlite_file(url)
    return [] if file is None or not file.exists() else _faults_of(file, thorough)


def _faults_of(file: Path, thorough: bool) -> list[str]:
    pragma = "integrity_check" if thorough else "quick_check"
    try:
        with closing(_opened(file)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}({MOST_FAULTS})")]
    except sqlite3.OperationalError as error:
        raise OptLabError("the store {file} cannot be read: {error}", file=file, error=error) from None
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [one for one in found if one != "ok"]


def expect_whole(url: str) -> None:
    """Raises DamagedStoreError, whose sentence says how to go on, when the store is not whole."""
    found = faults(url)
    if found:
        raise damaged(url, found[0].splitlines()[0])


def backup(url: str, target: Path | None = None) -> Path:
    """A copy of the store as it is at this moment, while others work with it; returns where it is.

    target: default a file named by the time in `OPTLAB_HOME/backups`. Raises OptLabError when it is there already,
    DamagedStoreError when what would be kept is not whole.
    """
    file = _file(url)
    if not file.exists():
        raise OptLabError("there is no store at {file} yet", file=file)
    target = target or paths.folder("backups") / time.strftime("optlab-%Y-%m-%d-%H%M%S.db")
    if target.exists():
        raise OptLabError("{target} is there already; name another file", target=target)
    expect_whole(url)
    with _written(target) as unfinished:
        _copy(file, unfinished)
    return target


def restore(url: str, source: Path) -> Path | None:
    """Put a backup in the place of the store; returns where the store that was there is kept now, None if none was.

    Raises OptLabError when `source` is no whole store of this OptLab or an older one; then nothing is changed.
    """
    file = _file(url)
    _expect_store(source)
    with _written(file) as unfinished:
        _copy(source, unfinished)
        return _put_aside(file)


def rescue(url: str) -> Rescued:
    """Make a new store of what can be read of a damaged one, row by row, and put it in its place."""
    file = _file(url)
    if not file.exists():
        raise OptLabError("there is no store at {file} yet", file=file)
    with _written(file) as unfinished:
        open_engine(f"sqlite:///{unfinished}").dispose()
        with closing(_opened(file)) as damaged, closing(sqlite3.connect(unfinished)) as new:
            kept = {table: _copy_rows(damaged, new, table) for table in RESCUED_TABLES}
            new.execute("PRAGMA journal_mode=DELETE")  # everything in the one file that is moved
        aside = _put_aside(file)
    assert aside is not None  # it exists
    return Rescued(kept["runs"], kept["logs"], aside)


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy the rows of a table that can be read and are not there yet; returns how many.

    Columns that an older store lacks take their default, and where there is none the row is left out.
    """
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return 0
    shared = [name for name in columns if name in there]
    if not shared:
        return 0
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(shared)}) VALUES ({', '.join('?' * len(shared))})"
    kept = 0
    for row in _readable_rows(old, table, shared):
        try:
            kept += new.execute(insert, row).rowcount
        except sqlite3.DatabaseError:  # a value that the column does not take
            continue
    new.commit()
    return kept


def _readable_rows(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """In order of their number; what cannot be read is stepped over, in steps that grow until a row is read again."""
    query = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
    last, step, end = 0, 1, _last_number(connection, table)
    while last < end:
        try:
            for row in connection.execute(query, (last,)):
                last, step = row[0], 1
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            last, step = last + step, min(step * 2, 64)


def _last_number(connection: sqlite3.Connection, table: str) -> int:
    try:
        return int(connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0)
    except sqlite3.DatabaseError:
        return UNKNOWN_END


def _expect_store(source: Path) -> None:
    if not source.is_file():
        raise OptLabError("there is no file {source}", source=source)
    found = _faults_of(source, thorough=True)
    if found:
        raise OptLabError("{source} is no whole database: {fault}", source=source, fault=found[0].splitlines()[0])
    with closing(_opened(source)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        saying = next((table for table in (version_table, legacy_version_table) if table.name in tables), None)
        written = connection.execute(f"SELECT * FROM {saying.name}").fetchone() if saying is not None else None
    if written is None or "runs" not in tables:
        raise OptLabError("{source} is a database, but no store of OptLab", source=source)
    if str(written[0]) not in REVISIONS:
        raise OptLabError(
            "{source} was written by a newer version of OptLab (tables {found}); update OptLab",
            source=source,
            found=str(written[0]),
        )


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """As `files.writing`; what SQLite cannot write is told as what the disk cannot take. Raises OptLabError."""
    try:
        with files.writing(target) as unfinished:
            yield unfinished
    except (OSError, sqlite3.OperationalError) as error:
        raise OptLabError("cannot write {target}: {error}", target=target, error=files.reason(error)) from None


def _copy(source: Path, target: Path) -> None:
    """All of a database in one file, whatever is still in its write-ahead log, as of one moment."""
    with closing(_opened(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")


def _put_aside(file: Path) -> Path | None:
    """Move a store and what SQLite keeps beside it to a name that nobody has; None when there is none."""
    if not file.exists():
        return None
    stem = f"{file}.before-{time.strftime('%Y-%m-%d-%H%M%S')}"
    aside = next(path for number in range(1, 1000) if not (path := Path(f"{stem}-{number}")).exists())
    for ending in ("-wal", "-shm", ""):
        if (beside := Path(f"{file}{ending}")).exists():
            os.replace(beside, f"{aside}{ending}")
    return aside


def _file(url: str) -> Path:
    file = sqlite_file(url) if not in_memory(url) else None
    if file is None:
        raise OptLabError(
            "the store {shown} is no SQLite file; use the tools of its database",
            shown=sa.make_url(url).render_as_string(hide_password=True),
        )
    return file


def _opened(file: Path) -> sqlite3.Connection:
    """For reading; a write-ahead log that a killed program left is taken into account."""
    return sqlite3.connect(file, timeout=30.0)
