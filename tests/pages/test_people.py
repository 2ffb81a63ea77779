"""What a viewer sees: every page, and no way to start or stop anything."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from optlab.client.client import Client
from optlab.people import Person, Role
from optlab.protocol import Protocol
from pages.components.shared import who
from tests.browser.serving import PAGES
from tests.pages import samples
from tests.pages.conftest import open_page, words


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> Person:
    someone = Person("eve@example.org", Role.VIEWER)
    monkeypatch.setattr(who, "by_name", lambda: True)
    monkeypatch.setattr(who, "person", lambda: someone)
    return someone


def clicked(app: AppTest) -> None:
    """Every button that can be clicked, one after the other, each on a page of its own state."""
    for key in [button.key for button in app.button if button.key and not button.disabled]:
        if key != "who/out" and any(button.key == key for button in app.button):
            app.button(key=key).click().run()
            assert not app.exception, (key, [e.value for e in app.exception])


@pytest.mark.parametrize("page", [page for page in PAGES if page != "learn"])
def test_no_button_of_any_page_starts_or_stops_work_for_a_viewer(prepared: Client, viewer: Person, page: str) -> None:
    waiting = prepared.submit_measure("nano", samples.quantized(4), Protocol())
    before = [(run.id, run.status) for run in prepared.runs()]
    app = open_page(page, run=waiting.id) if page == "runs" else open_page(page)
    assert viewer.name in words(app) or any(viewer.name in str(one.proto) for one in app.get("popover"))
    clicked(app)
    assert [(run.id, run.status) for run in prepared.runs()] == before


def test_a_model_that_nobody_prepared_is_not_prepared_by_looking(client: Client, viewer: Person) -> None:
    app = open_page("explore")
    assert client.runs() == []
    assert "nano" in str(app.query_params)
