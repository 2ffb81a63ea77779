"""A cache folder of its own for every test, and the stores that must all behave the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from optlab.store.schema import metadata, version_table
from optlab.store.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("OPTLAB_HOME", str(folder))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    return folder


@pytest.fixture(params=["sqlite file", "sqlite memory", "postgres"])
def store(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[Store]:
    if request.param == "postgres":
        url = os.environ.get("OPTLAB_TEST_POSTGRES")
        if not url:
            pytest.skip("OPTLAB_TEST_POSTGRES names no database")
        engine = sa.create_engine(url)
        metadata.drop_all(engine)
        version_table.drop(engine, checkfirst=True)
        engine.dispose()
    else:
        url = "sqlite://" if request.param == "sqlite memory" else f"sqlite:///{tmp_path / 'runs.db'}"
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def file_store(home: Path) -> Iterator[Store]:
    """The default store, which other processes can open."""
    opened = Store()
    yield opened
    opened.close()
