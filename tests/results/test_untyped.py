"""What OptLab wrote before results had types (commit e33f86f, really run on nano) is read as the types of today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optlab.jobs.registry import KINDS
from optlab.results.measurement import Measurement
from optlab.store.run import Run, Status

FILES = sorted((Path(__file__).parent / "untyped").glob("*.json"))


def run_of(file: Path) -> Run:
    data = json.loads(file.read_text())
    kind = next(kind for kind in KINDS.values() if data["kind"] in (kind.name, *kind.formerly))
    return Run(
        id=1, key=data["key"], kind=kind.name, status=Status.DONE, title=data["title"], created=0.0,
        spec_json=json.dumps(data["spec"]), result_json=json.dumps(data["result"]),
    )  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_run_of_the_time_before_types_is_read(file: Path) -> None:
    run = run_of(file)
    kind = KINDS[run.kind]
    assert kind.spec_of(run).model == "nano"
    result = kind.result_of(run)
    assert kind.result.from_json(result.to_json()) == result


LATER = {"probe", "temperature_lab", "comparison", "speed_anchors", "export"}


def test_the_kinds_of_then_are_among_them() -> None:
    assert {run_of(file).kind for file in FILES} == set(KINDS) - LATER


def test_no_figure_of_an_old_measurement_is_lost() -> None:
    file = next(file for file in FILES if file.stem.startswith("measure"))
    before = json.loads(file.read_text())["result"]
    found = Measurement.from_dict(before).to_dict()
    assert found["delta"] == before["delta"] and found["details"] == before["details"]
    assert found["layers"] == before["layers"]
    for side, timed in before["latency"].items():
        machine = timed.pop("machine")
        kept = found["latency"][side]
        assert {name: kept[name] for name in timed} == timed
        assert {name: kept["machine"][name] for name in machine} == machine
