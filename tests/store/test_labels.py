"""What people write on a run is kept by the store, by an archive and its import, and refused where it is no text."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.report import archive, incoming
from optlab.store.rows import LONGEST_NAME
from optlab.store.run import Label, UnknownRunError
from optlab.store.store import Store
from tests.pages import samples

LABEL = Label("phone", "small enough\nand fast", True)


def test_a_label_is_kept_cut_and_taken_away_again() -> None:
    store = Store("sqlite://")
    run = store.submit("measure", {}, "k", "t")
    assert run.label == Label()
    assert store.annotate(run.id, LABEL).label == LABEL
    assert len(store.annotate(run.id, Label("x" * 500)).label.name) <= LONGEST_NAME
    assert store.annotate(run.id, Label()).label == Label()
    with pytest.raises(UnknownRunError):
        store.annotate(99, LABEL)


def test_an_archive_brings_labels_to_another_store() -> None:
    here, there = Client(Store("sqlite://")), Client(Store("sqlite://"))
    samples.prepare(here)
    run = samples.measured(here, 4)
    here.annotate(run.id, LABEL)
    archive.import_archive(archive.write(here.runs("measure")), there)
    assert [one.label for one in there.runs("measure")] == [LABEL]


def test_an_unlabelled_run_is_written_as_before() -> None:
    assert incoming.written_on(Label()) == {}


@pytest.mark.parametrize("wrong", [{"name": 3}, {"note": ["x"]}, {"starred": "yes"}, {"colour": "red"}])
def test_what_is_no_label_is_refused(wrong: dict[str, object]) -> None:
    client = Client(Store("sqlite://"))
    samples.prepare(client)
    one = archive._portable(samples.measured(client, 4))
    with pytest.raises(OptLabError, match="line 1"):
        incoming.run(one | wrong, "line 1")


def test_a_label_of_another_process_is_seen_beside_what_is_kept_in_memory(tmp_path: Path) -> None:
    here, there = (Client(Store(f"sqlite:///{tmp_path / 'store.db'}")) for _ in range(2))
    samples.prepare(here)
    run = samples.measured(here, 4)
    assert [one.label for one in here.store.finished("measure")] == [Label()]
    for label in (LABEL, Label()):
        there.annotate(run.id, label)
        assert [one.label for one in here.store.finished("measure")] == [label]
