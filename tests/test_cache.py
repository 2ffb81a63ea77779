"""Kept files: what is listed is what is there, and the least recently used go first."""

import os
import time
from pathlib import Path

import pytest

from optlab import cache, paths, sealed
from optlab.errors import OptLabError
from optlab.machine import locks

HOUR = 3600.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    return tmp_path


def keep(kind: str, name: str, size: int, hours_ago: float) -> Path:
    """A sealed folder of `size` bytes that was last used so long ago."""
    folder = paths.folder(kind) / name
    with sealed.building(folder) as unfinished:
        (unfinished / "data").write_bytes(os.urandom(size))
    for path in (folder, folder / sealed.CHECKSUMS):
        os.utime(path, (time.time(), time.time() - hours_ago * HOUR))
    return folder


def test_what_is_listed_is_what_is_there() -> None:
    keep("calibration", "a", 100_000, 3)
    keep("models", "b", 50_000, 5)
    (paths.folder("calibration") / ".c-unfinished").mkdir()
    found = cache.kept()
    assert [one.path.name for one in found] == ["b", "a"]
    assert 100_000 <= found[1].bytes <= 130_000
    assert [one.path.name for one in cache.kept(("models",))] == ["b"]


def test_the_least_recently_used_go_first_and_what_is_in_use_stays() -> None:
    old, middle, fresh = (keep("calibration", name, 200_000, hours) for name, hours in (("o", 9), ("m", 5), ("f", 0)))
    assert [one.path for one in cache.trim(450_000)] == [old]
    assert [one.path for one in cache.trim(0)] == [middle]
    assert fresh.is_dir() and not old.exists() and not middle.exists()


def test_using_something_keeps_it() -> None:
    used, forgotten = keep("artefacts", "used", 200_000, 9), keep("artefacts", "forgotten", 200_000, 5)
    assert sealed.intact(used)
    assert [one.path for one in cache.trim(250_000)] == [forgotten]


def test_probes_are_cleared_by_name_only() -> None:
    probe = keep("probes", "probe", 1000, 9)
    cache.trim(0)
    assert probe.is_dir()
    assert [one.path for one in cache.clear(("probes",))] == [probe]
    assert not probe.exists()


def test_a_single_file_goes_with_its_checksum(home: Path) -> None:
    file = paths.folder("calibration") / "gradients.safetensors"
    with sealed.writing(file) as unfinished:
        unfinished.write_bytes(b"1" * 1000)
    assert [one.path for one in cache.clear(("calibration",))] == [file]
    assert not list((home / "calibration").iterdir())


def test_holes_take_no_room() -> None:
    place = paths.folder("teachers") / "one"
    place.mkdir()
    with (place / "logits").open("wb") as file:
        file.truncate(1 << 30)
    assert cache.kept(("teachers",))[0].bytes < 1 << 20


def test_no_symbolic_link_is_followed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither a kept thing that is one, nor one inside, nor the folder of a whole kind."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("folder", "inside", "kind"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "thesis.tex").write_bytes(b"x" * 100_000)
    (elsewhere / "file").write_bytes(b"x" * 100_000)
    for name in ("folder", "file", "nowhere"):
        (paths.folder("models") / name).symlink_to(elsewhere / name)
    sound = keep("calibration", "sound", 5000, 9)
    (sound / "link").symlink_to(elsewhere / "inside")
    (home / "teachers").symlink_to(elsewhere / "kind")
    assert cache.linked() == ("teachers",)
    assert sum(one.bytes for one in cache.kept()) < 50_000
    assert {one.path.name for one in cache.clear()} == {"folder", "file", "nowhere", "sound"}
    assert len(list(elsewhere.glob("*/thesis.tex"))) == 3
    assert (elsewhere / "file").is_file()
    assert not list((home / "models").iterdir())
    assert cache.trim(0) == []


def test_the_budget_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_CACHE_GB", "1.5")
    assert cache.budget_bytes() == 1_500_000_000
    for wrong in ("much", "-1", "nan", "1e400"):
        monkeypatch.setenv("OPTLAB_CACHE_GB", wrong)
        with pytest.raises(OptLabError, match="OPTLAB_CACHE_GB is a number of gigabytes"):
            cache.budget_bytes()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(OptLabError, match="there is no cache 'runs'"):
        cache.kept(("runs",))


def test_while_a_run_computes_what_it_may_read_is_not_cleared() -> None:
    old, new = keep("calibration", "old", 5000, 2), keep("calibration", "new", 5000, 0.1)
    assert not locks.computing()
    with locks.compute_lock():
        assert locks.computing()
        assert [one.path for one in cache.clear(("calibration",), locks.computing())] == [old]
    assert [one.path for one in cache.clear(("calibration",), locks.computing())] == [new]
