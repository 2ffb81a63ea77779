"""Asking for a probe twice is one run, and the worker knows how to do it."""

from optlab.client.client import Client
from optlab.jobs.registry import executor
from optlab.store.store import Store


def test_a_probe_is_asked_for_once_and_the_model_is_prepared_first() -> None:
    client = Client(Store("sqlite://"))
    run = client.submit_probe("nano")
    assert client.submit_probe("nano").id == run.id
    assert run.kind == "probe" and run.spec == {"model": "nano"}
    assert {other.kind for other in client.store.list()} == {"probe", "prepare"}


def test_the_worker_has_an_executor_for_probes() -> None:
    assert executor("probe").__module__ == "optlab.jobs.probe"
