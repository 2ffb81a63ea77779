"""What a page says when the store of runs is damaged or was replaced, or when a part of what it watches died."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from optlab.client.client import Client
from optlab.store.schema import sqlite_file
from tests.pages import samples
from tests.pages.conftest import open_page, words
from tests.store.test_upkeep import damage, filled


@pytest.mark.parametrize("name", [None, "explore", "runs", "find_best", "compare", "distill", "playground"])
def test_a_damaged_store_is_told_with_the_ways_on(client: Client, name: str | None) -> None:
    filled(client.store, 60)
    damage(client.store)
    shown = words(open_page(name)).replace("\\", "")
    assert "is damaged" in shown
    assert "optlab check --rescue" in shown


def test_a_store_that_was_deleted_while_the_page_is_open_is_told(prepared: Client) -> None:
    samples.measured(prepared, 4)
    assert not open_page().sidebar.warning
    file = sqlite_file(prepared.store.url)
    assert file is not None
    file.unlink()
    (told,) = open_page().sidebar.warning  # another tab of the same app
    assert "was deleted or replaced" in told.value


def drawn(ids: list[int]) -> None:
    """A page that watches runs which were asked for together."""
    from pages.components.shared import services, watching

    client = services.client()
    watching.watch_all([run for id in ids if (run := client.run(id))], "both", lambda runs: None)


@pytest.mark.parametrize("how", ["killed", "failed"])
def test_a_part_that_died_is_told_while_the_other_goes_on(client: Client, how: str) -> None:
    student, control = (client.store.submit("measure", {}, key, key) for key in ("student", "control"))
    client.store.claim("worker-1-1")
    if how == "killed":
        client.store.dismiss("worker-1-1")
    else:
        client.store.fail(student.id, "it broke")
    client.store.claim("worker-2-2")
    app = AppTest.from_function(drawn, kwargs={"ids": [student.id, control.id]}).run()
    assert not app.exception
    assert len(app.get("progress")) == 1
    assert ("The worker was killed" in app.warning[0].value) if how == "killed" else (app.error[0].value == "It broke.")
    app.button(key=f"both/{student.id}/retry").click().run()
    assert client.store.get(student.id).status == "queued"  # type: ignore[union-attr]
    assert client.store.get(control.id).status == "running"  # type: ignore[union-attr]


def test_what_a_person_stopped_is_no_warning_while_the_other_goes_on(client: Client) -> None:
    stopped, other = (client.store.submit("measure", {}, key, key) for key in ("a", "b"))
    client.store.request_cancel(stopped.id)
    app = AppTest.from_function(drawn, kwargs={"ids": [stopped.id, other.id]}).run()
    assert not app.exception
    assert len(app.get("progress")) == 1
    assert not app.warning and not app.error and not app.info
