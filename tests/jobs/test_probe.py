"""Asking for a probe twice is one run."""

from optlab.client.client import Client
from optlab.jobs.probe import PROBE
from optlab.store.store import Store


def test_a_probe_is_asked_for_once_and_the_model_is_prepared_first() -> None:
    client = Client(Store("sqlite://"))
    run = client.submit_probe("nano")
    assert client.submit_probe("nano").id == run.id
    assert run.kind == "probe" and PROBE.spec_of(run).model == "nano"
    assert {other.kind for other in client.store.list()} == {"probe", "prepare"}
