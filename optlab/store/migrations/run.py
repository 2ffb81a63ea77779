"""Runs the migrations that a store lacks. Importing this costs a tenth of a second, so only old stores do."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection


def upgrade(connection: Connection, stamp: str | None = None) -> None:
    """Bring the tables up to date inside the transaction of `connection`.

    stamp: the revision that the tables have, for a store of the time before they said so.
    """
    found = config()
    found.attributes["connection"] = connection
    if stamp is not None:
        command.stamp(found, stamp)
    command.upgrade(found, "head")


def config() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    return found
