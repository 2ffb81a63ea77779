"""What OptLab 0.1 measured is shown by today's: in Compare, in a report, in the ledger, and as an archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.jobs.registry import kind_of
from optlab.report import archive, comparison, document
from optlab.store.run import Status
from optlab.store.store import Store

VERSION_1 = Path(__file__).parents[1] / "store" / "stores" / "2026-11-version-1.db"
KINDS = {
    "prepare", "probe", "measure", "generate", "layer_inspection", "importance", "tasks", "latency_grid",
    "temperature_lab", "sweep",
}  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Client]:
    shutil.copy(VERSION_1, tmp_path / "old.db")
    store = Store(f"sqlite:///{tmp_path / 'old.db'}")
    yield Client(store)
    store.close()


def test_a_finished_run_of_every_kind_is_there_with_its_result(old: Client) -> None:
    done = old.runs(status=Status.DONE)
    assert {run.kind for run in done} == KINDS
    assert all(kind_of(run.kind).result_of(run) is not None for run in done)
    ended = {run.status for run in old.runs()}
    assert ended == {Status.DONE, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED, Status.QUEUED}


def test_measurements_are_in_compare_with_their_figures(old: Client) -> None:
    rows = old.records()
    assert len(rows) == 4
    for row in rows:
        assert row["model"] == "nano"
        assert row["delta_ppl_ratio_ci95_low"] < row["delta_ppl_ratio"] < row["delta_ppl_ratio_ci95_high"]
        assert 0 < row["compressed_size_bytes"] < row["baseline_size_bytes"]
        assert row["size_ratio"] == row["compressed_size_bytes"] / row["baseline_size_bytes"]
        assert row["delta_decode_speedup"] > 0
    assert {"rtn 4 bits, group 64", "magnitude 50%"} < {row["recipe"] for row in rows}


def test_predictions_of_that_time_are_in_the_ledger(old: Client) -> None:
    found = old.ledger("nano")
    assert found.measured >= 2
    assert str(found.measured) in found.in_words()


def test_a_report_compares_them_and_an_archive_takes_them_along(old: Client) -> None:
    chosen = comparison.chosen(old.measurements(), "nano", "shakespeare")
    assert len(chosen) == 4
    page = document.html(comparison.Comparison(tuple(chosen)))
    assert "rtn 4 bits" in page and "wanda 30%" in page
    packed = archive.write(old.runs(status=Status.DONE))
    empty = Client(Store("sqlite://"))
    imported = archive.import_archive(packed, empty)
    assert imported.added == len([run for run in old.runs(status=Status.DONE) if archive.portable(run)])
    assert len(empty.records()) == 4
