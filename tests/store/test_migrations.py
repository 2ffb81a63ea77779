"""A store that an older OptLab wrote opens, once, as one of today; a newer one is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from optlab.errors import OptLabError
from optlab.store import schema
from optlab.store.migrations import run as migrations
from optlab.store.store import Store

VERSION_1 = Path(__file__).parent / "stores" / "2026-11-version-1.db"


@pytest.fixture
def old(tmp_path: Path) -> str:
    """The URL of a copy of the store that OptLab 0.1 wrote."""
    shutil.copy(VERSION_1, tmp_path / "old.db")
    return f"sqlite:///{tmp_path / 'old.db'}"


def differences(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, schema.metadata))


def say_version(url: str, version: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(schema.version_table.update().values(version_num=version))
    engine.dispose()


def test_migrations_and_a_new_store_end_at_the_same_tables(store: Store, tmp_path: Path) -> None:
    assert differences(store.engine) == []
    migrated = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with migrated.begin() as connection:
        migrations.upgrade(connection)
    assert differences(migrated) == []
    new = sa.create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    schema.metadata.create_all(new)
    of_new, of_migrated = (sa.inspect(engine) for engine in (new, migrated))
    for table in schema.metadata.tables:
        key = of_new.get_pk_constraint(table)["constrained_columns"]
        assert of_migrated.get_pk_constraint(table)["constrained_columns"] == key
        unique = [sorted(one["column_names"]) for one in of_new.get_unique_constraints(table)]
        assert [sorted(one["column_names"]) for one in of_migrated.get_unique_constraints(table)] == unique


def test_revisions_are_those_that_there_are_files_for() -> None:
    scripts = ScriptDirectory.from_config(migrations.config())
    assert [one.revision for one in reversed(list(scripts.walk_revisions()))] == list(schema.REVISIONS)
    assert scripts.get_current_head() == schema.VERSION


def test_a_new_store_says_its_version_to_alembic_and_to_optlab_0_1(store: Store) -> None:
    with store.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == schema.VERSION
        assert connection.execute(sa.select(schema.legacy_version_table)).scalar() != 1


def test_an_old_store_keeps_its_runs_and_logs(old: str) -> None:
    before = sa.create_engine(old)
    with before.connect() as connection:
        rows = {row.id: row for row in connection.execute(sa.text("SELECT * FROM runs"))}
        lines = connection.execute(sa.text("SELECT run_id, line FROM logs ORDER BY run_id, number")).all()
    before.dispose()
    assert len(rows) > 12 and lines
    store = Store(old)
    renamed = {"anatomy": "layer_inspection", "speeds": "latency_grid", "soften": "temperature_lab"}
    found = {run.id: run for run in store.list()}
    assert found.keys() == rows.keys()
    for id, run in found.items():
        row = rows[id]
        assert run.kind == renamed.get(row.kind, row.kind)
        assert (run.key, run.status, run.title, run.error) == (row.key, row.status, row.title, row.error)
        assert (run.created, run.started, run.finished) == (row.created, row.started, row.finished)
        assert (run.result_json is None) == (row.result is None)
    assert [(id, line) for id in sorted(found) for _, line in store.logs(id)] == [tuple(one) for one in lines]
    assert differences(store.engine) == []
    with store.engine.connect() as connection:
        versions = connection.execute(sa.text("SELECT result IS NULL, result_version IS NULL FROM runs")).all()
    assert all(without == unversioned for without, unversioned in versions)
    store.close()


def test_an_old_store_goes_on_working(old: str) -> None:
    store = Store(old)
    run = store.claim("w")
    assert run is not None and run.status == "running"
    assert store.finish(run.id, {"version": 7})
    again = store.submit("measure", {}, "new", "new")
    assert again.id > max(one.id for one in store.list() if one.id != again.id)
    store.close()


def test_four_processes_that_open_an_old_store_at_once_upgrade_it_once(old: str) -> None:
    program = (
        "import sys, time\n"
        "from optlab.store.store import Store\n"
        "sys.stdin.readline()\n"
        f"store = Store({old!r})\n"
        "print('alembic' in sys.modules, len(store.list()))\n"
    )
    command = [sys.executable, "-c", program]
    some = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in some:  # all have imported what they need by the time that the first of them is let go
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0].split() for process in some]
    assert [process.returncode for process in some] == [0] * 4
    assert len({count for _, count in answers}) == 1
    assert sorted(upgraded for upgraded, _ in answers) == ["False"] * 3 + ["True"]
    engine = sa.create_engine(old)
    with engine.connect() as connection:
        assert connection.execute(sa.select(schema.version_table)).all() == [(schema.VERSION,)]
    assert differences(engine) == []


def test_opening_a_store_of_today_loads_no_alembic(file_store: Store) -> None:
    program = (
        "import sys\n"
        "from optlab.store.store import Store\n"
        "for url in ('sqlite://', sys.argv[1]):\n"
        "    Store(url).list()\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, file_store.url], check=True)


def test_a_store_is_upgraded_as_a_whole_or_not_at_all(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", broken)
        with pytest.raises(RuntimeError):
            Store(old)
    engine = sa.create_engine(old)
    assert schema.version_table.name not in sa.inspect(engine).get_table_names()
    assert "result_version" not in {column["name"] for column in sa.inspect(engine).get_columns("runs")}
    engine.dispose()
    assert len(Store(old).list()) > 12


def test_a_newer_store_is_refused_in_one_sentence_and_not_touched(file_store: Store) -> None:
    say_version(file_store.url, "99")
    with pytest.raises(OptLabError, match=r"newer version of OptLab \(tables 99, .* reads up to .*\); update OptLab"):
        Store(file_store.url)
    with file_store.engine.connect() as connection:
        assert connection.execute(sa.select(schema.version_table)).all() == [("99",)]


@pytest.fixture
def version_1(store: Store) -> Iterator[str]:
    """The URL of a store as OptLab 0.1 left it, in every database that outlives a connection."""
    if schema.in_memory(store.url):
        pytest.skip("a store in memory is never old")
    engine = sa.create_engine(store.url)
    with engine.begin() as connection:
        schema.metadata.drop_all(connection)
        schema.version_table.drop(connection)
        config = migrations.config()
        config.attributes["connection"] = connection
        command.upgrade(config, "1")
        schema.version_table.drop(connection)
        for id, kind in enumerate(("measure", "anatomy", "soften"), 1):
            values = {
                "key": f"key {id}", "kind": kind, "status": "done", "priority": 1, "spec": "{}", "title": "",
                "progress": 1.0, "message": "", "partial": "{}", "result": "{}", "created": 1.0, "attempts": 1,
            }  # fmt: skip
            connection.execute(sa.table("runs", *map(sa.column, values)).insert().values(**values))
    yield store.url
    engine.dispose()


def test_every_database_is_upgraded_once_by_those_who_open_it_at_once(version_1: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(Store, [version_1] * 4))
    for store in opened:
        assert [run.kind for run in store.list()] == ["temperature_lab", "layer_inspection", "measure"]
        assert store.submit("measure", {}, "key 1", "") == store.by_key("key 1")
    assert differences(opened[0].engine) == []
    with opened[0].engine.connect() as connection:
        assert connection.execute(sa.select(schema.version_table)).all() == [(schema.VERSION,)]
    for store in opened:
        store.close()
