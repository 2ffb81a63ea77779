"""The energy counter: folders as Linux lays them out, a counter that turns over, and machines without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.evaluation.energy import meter


def zone(root: Path, folder: str, name: str, microjoules: int, largest: int = 999_999) -> Path:
    (root / folder).mkdir(parents=True)
    (root / folder / "name").write_text(f"{name}\n")
    (root / folder / "max_energy_range_uj").write_text(f"{largest}\n")
    counter = root / folder / "energy_uj"
    counter.write_text(f"{microjoules}\n")
    return counter


def test_packages_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 100), zone(tmp_path, "intel-rapl:1", "package-1", 50)
    zone(tmp_path, "intel-rapl:0:0", "core", 7)
    zone(tmp_path, "intel-rapl:2", "psys", 7)
    found = meter(tmp_path)
    assert found is not None
    before = found.read()
    first.write_text("250100\n")
    second.write_text("750050\n")
    assert found.joules(before, found.read()) == pytest.approx(1.0)


def test_a_counter_that_began_again_is_understood(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 999_990)
    found = meter(tmp_path)
    assert found is not None
    before = found.read()
    counter.write_text("10\n")
    assert found.joules(before, found.read()) == pytest.approx(20e-6)


def test_a_machine_that_does_not_count_has_no_meter(tmp_path: Path) -> None:
    assert meter(tmp_path / "nowhere") is None
    assert meter(tmp_path) is None
    zone(tmp_path, "intel-rapl:0", "package-0", 0).unlink()  # not ours to read
    assert meter(tmp_path) is None
