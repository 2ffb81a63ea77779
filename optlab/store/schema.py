"""The tables of the store, how a database is opened, and which version of the tables it holds.

SQLite is the default and needs care to be shared by several processes: write-ahead logging lets pages read while a
worker writes, a busy timeout makes writers wait for each other instead of failing, and every writing transaction takes
the write lock when it begins, because a lock taken half-way cannot be waited for (SQLITE_BUSY_SNAPSHOT).

What the heartbeat of a worker writes must be one statement without a transaction around it (mode "statement"):
SQLite then takes and gives back the lock inside one native call. Between the statements of a transaction the thread
needs the interpreter again, which native code in the worker's other thread may keep for minutes, with the whole store
locked.

A new store is made from the tables below; one that an older OptLab wrote is upgraded by `optlab.store.migrations` when
it is opened, in one transaction and by one process, whoever comes first. A store that is up to date costs one query.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

from optlab.errors import OptLabError
from optlab.store.damage import damaged, is_damage

REVISIONS = ("1", "2", "3", "4", "5")
"""Every version that the tables ever had, the newest last; one file each in `migrations/versions`."""
VERSION = REVISIONS[-1]
BUSY_TIMEOUT_MS = 10_000
LOG_PAGES, PAGE = 256, 4096
"""SQLite's write-ahead log takes four times as much before it is written back, and keeps that: on a disk that is nearly
full it was the log that filled it, and nothing could be deleted any more."""
UPGRADE_LOCK = 0x0B7_1AB
"""Number of the lock that keeps two processes from upgrading one PostgreSQL store at once."""

metadata = sa.MetaData()

version_table = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
"""Which version the tables have; Alembic's own table, so it is none of `metadata`."""

legacy_version_table = sa.Table("optlab_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))
"""What OptLab 0.1 looks at; a number that is not 1 keeps it from writing into a store that it does not understand."""

runs_table = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(64), nullable=False, unique=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("progress", sa.Double, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("partial", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("artefact", sa.Text),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("cancel_asked", sa.Double),
    sa.Column("worker", sa.String(128)),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("result_version", sa.Integer),
    sa.Column("seconds_left", sa.Double),
    sa.Column("asked_by", sa.String(256)),
    sa.Column("name", sa.String(200)),
    sa.Column("note", sa.Text),
    sa.Column("starred", sa.Boolean),
    sa.Column("labelled", sa.Double),
    sa.Index("runs_by_queue", "status", "priority", "id"),
    sa.Index("runs_by_label", "labelled"),
    sa.Index("runs_by_kind", "kind", "status", "id"),
    sqlite_autoincrement=True,
)

logs_table = sa.Table(
    "logs",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("line", sa.Text, nullable=False),
)

workers_table = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Integer),
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("beat", sa.Double, nullable=False),
    sa.Column("rss", sa.BigInteger, nullable=False),
    sa.Column("cpu", sa.Double, nullable=False),
)


def open_engine(url: str) -> Engine:
    """An engine for `url` whose tables exist and are of this version, made or upgraded where they were not.

    Raises OptLabError when the database cannot be opened, or was written by a newer OptLab; DamagedStoreError.
    """
    try:
        engine = sa.create_engine(url, **_options(url))
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
        if _version(engine) != VERSION:
            with engine.begin() as connection:
                _bring_up_to_date(connection)
    except sa.exc.ArgumentError:
        raise OptLabError(
            "OPTLAB_STORE {url!r} is not a database URL; write sqlite:////folder/optlab.db", url=url
        ) from None
    except ImportError as error:
        raise OptLabError(
            "the store {url!r} needs a driver: pip install {name}",
            url=url.split("://")[0],
            name=error.name,
        ) from None
    except sa.exc.DBAPIError as error:
        if is_damage(error):
            raise damaged(url, str(error.orig)) from error
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise OptLabError("cannot open the store {shown}: {orig}", shown=shown, orig=str(error.orig).strip()) from error
    return engine


def in_memory(url: str) -> bool:
    """Whether `url` names a SQLite database that lives in this process only."""
    parsed = sa.make_url(url)
    return parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:")


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for any other database."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or in_memory(url):
        return None
    return Path(str(parsed.database)).absolute()


def _options(url: str) -> dict[str, Any]:
    if in_memory(url):
        return {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    if sa.make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000}}
    return {"pool_pre_ping": True}


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own; see _begin_sqlite
    cursor = connection.cursor()
    log = (f"wal_autocheckpoint={LOG_PAGES}", f"journal_size_limit={LOG_PAGES * PAGE}")
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=NORMAL", *log):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    begin = {"write": "BEGIN IMMEDIATE", "read": "BEGIN", "statement": None}
    sql = begin[connection.get_execution_options().get("mode", "write")]
    if sql is not None:
        connection.exec_driver_sql(sql)


def _version(engine: Engine) -> str | None:
    """The version that the tables say they have; None where they do not say, or there are none."""
    try:
        with engine.connect().execution_options(mode="read") as connection:
            return connection.execute(sa.select(version_table.c.version_num)).scalar()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):  # no such table; what else it may be, the next step says
        return None


def _bring_up_to_date(connection: Connection) -> None:
    """Make or upgrade the tables. Looks again first: another process may have done it while this one waited."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))
    tables = sa.inspect(connection).get_table_names()
    found: str | None = None
    if version_table.name in tables:
        found = connection.execute(sa.select(version_table.c.version_num)).scalar()
    elif legacy_version_table.name in tables:
        found = str(connection.execute(sa.select(legacy_version_table.c.version)).scalar())
    if found is None:
        metadata.create_all(connection)
        version_table.create(connection, checkfirst=True)
        connection.execute(legacy_version_table.insert().values(version=int(VERSION)))
        connection.execute(version_table.insert().values(version_num=VERSION))
    elif found not in REVISIONS:
        raise OptLabError(
            "the store was written by a newer version of OptLab (tables {found}, this version reads up to "
            "{version}); update OptLab, or set OPTLAB_STORE to a new file",
            found=found,
            version=VERSION,
        )
    elif found != VERSION:
        from optlab.store.migrations.run import upgrade

        upgrade(connection, None if version_table.name in tables else found)
