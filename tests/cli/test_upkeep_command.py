"""`optlab backup`, `restore` and `check` as a person at a shell uses them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from optlab.cli.main import main
from optlab.store.store import Store
from tests.store.test_upkeep import damage, filled

Optlab = Callable[..., str]


@pytest.fixture
def optlab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Optlab:
    """Runs the command line in this process; returns what it says, on whichever channel."""

    def run(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["optlab", *words])
        assert main() == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_a_store_is_kept_and_brought_back(file_store: Store, optlab: Optlab, tmp_path: Path) -> None:
    filled(file_store, 3)
    target = tmp_path / "kept.db"
    told = json.loads(optlab("backup", str(target), "--json"))
    assert told == {"backup": str(target), "bytes": target.stat().st_size}
    filled(file_store, 1, "later")
    told = json.loads(optlab("restore", str(target), "--json"))
    assert len(json.loads(optlab("runs", "list", "--json"))) == 3
    assert Path(told["before"]).is_file()
    assert "is there already" in optlab("backup", str(target), code=2)
    assert "no file" in optlab("restore", str(tmp_path / "missing.db"), code=2)


def test_damage_is_told_by_the_exit_code_and_what_can_be_read_is_kept(file_store: Store, optlab: Optlab) -> None:
    filled(file_store, 60)
    assert optlab("check") == "the store is whole\n"
    damage(file_store)
    assert "optlab restore FILE" in optlab("check", code=1)
    assert json.loads(optlab("check", "--json", code=1))["whole"] is False
    assert json.loads(optlab("check", "--rescue", "--json"))["runs"] > 30
    assert json.loads(optlab("check", "--json")) == {"whole": True, "faults": []}
