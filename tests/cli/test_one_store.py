"""What one command measured stands in Compare's records, in the list of runs, in the report and in the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from optlab.models.describe import describe
from optlab.prediction.state import place_of
from optlab.store.store import Store
from tests.prediction import states

MEASURING = ("measure", "nano", "--tokens", "1024", "--context", "256", "--no-latency", "--dtype", "float32")
RECIPE = "steps: [{quantize: {method: rtn, bits: 3, group_size: 32}}]"


def optlab(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "optlab", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_measurement_of_the_command_line_is_wherever_measurements_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    fingerprint = describe("nano").fingerprint
    probe = replace(states.with_anchors(states.state(), 1.0), fingerprint=fingerprint)
    probe.save(place_of(fingerprint))
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    result: dict[str, Any] = json.loads(optlab(*MEASURING, "--recipe", str(tmp_path / "recipe.yaml"), "--json"))
    (listed,) = json.loads(optlab("runs", "list", "--kind", "measure", "--json"))
    optlab("report", str(tmp_path / "report.json"))
    report = (tmp_path / "report.json").read_text()

    store = Store()
    client = Client(store)
    (row,) = client.records()
    (run,) = client.runs(MEASURE.name)
    (entry,) = client.ledger("nano").entries
    spec = MEASURE.spec_of(run)
    store.close()

    ratio = result["delta"]["ppl_ratio"]
    assert (row["run"], row["delta_ppl_ratio"]) == (run.id, ratio)
    assert (listed["id"], listed["status"]) == (run.id, "done")
    assert repr(ratio) in report
    assert entry.measured == result["delta"]["nll"]
    assert spec.predicted is not None and spec.predicted.delta is not None
    assert entry.predicted == spec.predicted.delta.nll
