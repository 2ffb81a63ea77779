"""Finished measurements are read once, and the same list is told until there is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.jobs import history
from optlab.jobs.measure import MEASURE
from optlab.results.measurement import Measurement
from optlab.store import finished
from optlab.store.run import Label
from optlab.store.store import Store
from tests.pages import samples


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    made = Client(Store())
    samples.prepare(made)
    samples.measured(made, 4)
    samples.measured(made, 8)
    return made


def test_the_list_is_the_same_until_one_is_done_deleted_or_labelled(client: Client) -> None:
    first = client.measurements()
    assert [one.run for one in first] == client.store.list("measure")
    assert client.measurements() is first
    run = samples.measured(client, 2)
    second = client.measurements()
    assert [one.id for one in second] == [run.id, *(one.id for one in first)]
    client.annotate(run.id, Label("mine"))
    assert client.measurements()[0].run.label == Label("mine")
    client.annotate(run.id, Label("yours"))
    assert client.measurements()[0].run.label == Label("yours")
    client.delete(first[0].id)
    assert [one.id for one in client.measurements()] == [run.id, first[1].id]


def test_each_is_read_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = Measurement.from_json
    monkeypatch.setattr(Measurement, "from_json", lambda text: (read.append(text), whole(text))[1])
    client.measurements()
    client.annotate(client.measurements()[0].id, Label("a"))
    client.measurements()
    assert len(read) == 2
    samples.measured(client, 2)
    client.measurements()
    assert len(read) == 3


def test_a_headline_says_what_the_result_says(client: Client) -> None:
    for one in client.measurements():
        assert one.result == MEASURE.result_of(one.run)
        for name in one.headline.__dataclass_fields__:
            assert getattr(one.headline, name) == getattr(one.result, name)
        assert one.headline.size_ratio == one.result.size_ratio


def test_a_store_larger_than_what_is_kept_is_told_all_the_same(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "LARGEST", 100)
    told = client.measurements()
    assert [one.run for one in told] == client.store.list("measure")
    assert history._historians[client.store]._runs is None
    assert client.measurements() == told
