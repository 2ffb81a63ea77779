"""Backups come back, damage is found before anything is believed, and a replaced file is noticed."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from optlab.errors import OptLabError
from optlab.store import upkeep
from optlab.store.damage import DamagedStoreError
from optlab.store.schema import sqlite_file
from optlab.store.store import Store

OLD = Path(__file__).parent / "stores" / "2026-11-version-1.db"


def filled(store: Store, count: int, name: str = "k") -> None:
    """So many finished runs, each with two lines of log and a spec of a page or so."""
    for number in range(count):
        run = store.submit("measure", {"model": "x" * 3000}, f"{name}{number}", f"title {number}")
        store.claim("w")
        store.log(run.id, f"first of {number}")
        store.log(run.id, f"second of {number}")
        store.finish(run.id, {"number": number})


def file_of(store: Store) -> Path:
    file = sqlite_file(store.url)
    assert file is not None
    return file


def damage(store: Store, offset: int = 3, pages: int = 4) -> None:
    """Overwrite pages in the middle of the file, after everything was written to it."""
    with store.engine.connect().execution_options(mode="statement") as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    file = file_of(store)
    size = sqlite3.connect(file).execute("PRAGMA page_size").fetchone()[0]
    with file.open("r+b") as written:
        written.seek(size * (file.stat().st_size // size // offset))
        written.write(os.urandom(size * pages))


def test_a_backup_holds_everything_while_others_write(file_store: Store, tmp_path: Path) -> None:
    filled(file_store, 30)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            file_store.log(1, "another line")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        target = upkeep.backup(file_store.url, tmp_path / "kept.db")
    finally:
        stop.set()
        writer.join()
    assert sorted(tmp_path.iterdir()) == sorted({tmp_path / "home", target})  # one file, nothing beside it
    assert upkeep.faults(f"sqlite:///{target}", thorough=True) == []
    kept = Store(f"sqlite:///{target}")
    assert kept.list() == file_store.list()
    assert kept.logs(30) == file_store.logs(30)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk with no more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("act", [
    lambda store, kept: upkeep.backup(store.url, kept.with_name("second.db")),
    lambda store, kept: upkeep.restore(store.url, kept),
    lambda store, kept: upkeep.rescue(store.url),
], ids=["backup", "restore", "rescue"])  # fmt: skip
def test_a_disk_without_room_is_told_in_one_sentence_and_changes_nothing(
    file_store: Store, tmp_path: Path, act: Callable[[Store, Path], object]
) -> None:
    filled(file_store, 100)
    kept, before = upkeep.backup(file_store.url, tmp_path / "kept.db"), file_store.list()
    there = sorted(tmp_path.rglob("*.db*"))
    assert kept.stat().st_size > 200_000
    with room_for(150_000), pytest.raises(OptLabError, match=r"cannot write .*\.db"):
        act(file_store, kept)
    assert sorted(tmp_path.rglob("*.db*")) == there
    assert file_store.list() == before


def test_a_damaged_backup_is_refused_whatever_its_name(file_store: Store, tmp_path: Path) -> None:
    filled(file_store, 60)
    named = tmp_path / "what? 100% #1.db"
    whole = upkeep.backup(file_store.url, named).read_bytes()
    named.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OptLabError, match="is no whole database"):
        upkeep.restore(file_store.url, named)
    assert len(file_store.list()) == 60


def test_a_backup_overwrites_nothing(file_store: Store, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(OptLabError, match="is there already"):
        upkeep.backup(file_store.url, tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "x"


def test_a_backup_comes_back_while_the_store_is_open_and_what_was_there_is_kept(file_store: Store) -> None:
    filled(file_store, 5)
    kept = upkeep.backup(file_store.url)
    filled(file_store, 3, "later")
    assert len(file_store.finished("measure")) == 8
    aside = upkeep.restore(file_store.url, kept)
    assert file_store.finished("measure") == file_store.list()
    assert [run.key for run in file_store.list()] == [f"k{number}" for number in (4, 3, 2, 1, 0)]
    assert file_store.replaced is not None
    filled(file_store, 1, "new")
    assert upkeep.faults(file_store.url, thorough=True) == []
    assert aside is not None
    assert len(Store(f"sqlite:///{aside}").list()) == 8


def test_a_store_of_an_older_optlab_is_restored_and_upgraded(file_store: Store) -> None:
    upkeep.restore(file_store.url, OLD)
    assert len(file_store.list()) > 12


@pytest.mark.parametrize("kind", ["text", "another database", "newer", "damaged", "missing"])
def test_what_is_no_whole_store_is_not_restored(file_store: Store, tmp_path: Path, kind: str) -> None:
    filled(file_store, 20)
    source = tmp_path / "source.db"
    if kind == "text":
        source.write_text("nothing of the kind" * 100)
    elif kind == "another database":
        with sqlite3.connect(source) as connection:
            connection.execute("CREATE TABLE runs (id INTEGER)")
    elif kind == "newer":
        shutil.copy(upkeep.backup(file_store.url), source)
        with sqlite3.connect(source) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '99'")
    elif kind == "damaged":
        other = Store(f"sqlite:///{source}")
        filled(other, 60)
        damage(other)
    before = file_store.list()
    with pytest.raises(OptLabError, match=r"source\.db"):
        upkeep.restore(file_store.url, source)
    assert file_store.list() == before


def test_a_damaged_store_is_refused_with_what_to_do(file_store: Store) -> None:
    filled(file_store, 60)
    upkeep.expect_whole(file_store.url)
    damage(file_store)
    assert upkeep.faults(file_store.url)
    with pytest.raises(DamagedStoreError, match=r"optlab restore FILE.*optlab check --rescue.*OPTLAB_STORE") as caught:
        upkeep.expect_whole(file_store.url)
    assert "\n" not in str(caught.value)
    with pytest.raises(DamagedStoreError):
        upkeep.backup(file_store.url)


def test_damage_that_turns_up_later_says_the_same(file_store: Store) -> None:
    filled(file_store, 60)
    damage(file_store, pages=100)
    with pytest.raises(DamagedStoreError, match="check --rescue"):
        file_store.list()


@pytest.mark.parametrize("offset", [2, 3, 5])
def test_what_can_be_read_of_a_damaged_store_is_kept(file_store: Store, offset: int) -> None:
    filled(file_store, 200)
    before = {run.id: run for run in file_store.list()}
    damage(file_store, offset)
    kept = upkeep.rescue(file_store.url)
    assert upkeep.faults(file_store.url, thorough=True) == []
    assert kept.aside.is_file()
    after = {run.id: run for run in file_store.list()}
    assert 150 <= len(after) == kept.runs < 200
    assert all(before[id] == run for id, run in after.items())  # no run is half there
    filled(file_store, 1, "new")
    assert file_store.list()[0].id > max(after)


def test_nothing_is_rescued_of_a_file_that_was_never_a_database(file_store: Store) -> None:
    file_store.close()
    file_of(file_store).write_bytes(b"\x00garbage" * 4096)
    kept = upkeep.rescue(file_store.url)
    assert (kept.runs, kept.lines) == (0, 0)
    assert kept.aside.read_bytes().startswith(b"\x00garbage")
    assert Store(file_store.url).list() == []


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://user:secret@host/x"])
def test_a_store_that_is_no_file_is_left_to_its_own_tools(url: str, tmp_path: Path) -> None:
    assert upkeep.faults(url) == []
    for action in (upkeep.backup, upkeep.rescue):
        with pytest.raises(OptLabError, match="no SQLite file") as caught:
            action(url)
        assert "secret" not in str(caught.value)


def test_a_database_that_was_deleted_is_made_again_and_told(file_store: Store) -> None:
    filled(file_store, 3)
    assert file_store.replaced is None
    file_of(file_store).unlink()
    assert file_store.list() == []
    assert file_store.replaced is not None
    filled(file_store, 2)
    assert [run.id for run in Store(file_store.url).list()] == [2, 1]
    assert upkeep.faults(file_store.url, thorough=True) == []


def test_two_programs_that_had_a_deleted_database_open_meet_in_the_same_new_one(file_store: Store) -> None:
    other = Store(file_store.url)
    filled(file_store, 3)
    assert len(other.list()) == 3
    file_of(file_store).unlink()
    filled(file_store, 1, "mine")
    filled(other, 1, "yours")
    assert {run.key for run in file_store.list()} == {run.key for run in other.list()} == {"mine0", "yours0"}
    assert upkeep.faults(file_store.url, thorough=True) == []


def test_another_database_moved_to_the_place_is_what_is_read_from_then_on(file_store: Store, tmp_path: Path) -> None:
    filled(file_store, 3)
    moved = Store(f"sqlite:///{tmp_path / 'other.db'}")
    filled(moved, 2, "other")
    moved.close()
    os.replace(tmp_path / "other.db", file_of(file_store))
    assert {run.key for run in file_store.list()} == {"other0", "other1"}
    assert upkeep.faults(file_store.url, thorough=True) == []


def test_a_folder_that_is_gone_is_told_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    store = Store(f"sqlite:///{folder / 'x.db'}")
    shutil.rmtree(folder)
    with pytest.raises(OptLabError, match=r"cannot open the store .*x\.db"):
        store.list()
    folder.mkdir()
    assert store.list() == []


def test_a_locked_store_is_not_taken_for_a_damaged_one(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.store.schema.BUSY_TIMEOUT_MS", 50)
    impatient = Store(file_store.url)
    filled(impatient, 1)
    assert impatient.writable()
    with sqlite3.connect(file_of(file_store), isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert not impatient.writable()
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            impatient.log(1, "x")
        connection.execute("ROLLBACK")
    assert impatient.writable()
