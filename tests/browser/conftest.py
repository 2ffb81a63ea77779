"""One server and one browser for all tests of this folder; skipped with the reason where there is no Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from optlab.client.client import Client
from tests.browser import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Client]]:
    if why := serving.missing():
        pytest.skip(why)
    with serving.server(tmp_path_factory.mktemp("home")) as served:
        yield served


@pytest.fixture(scope="session")
def browser(app: tuple[str, Client]) -> Iterator[Browser]:
    with serving.chromium() as started:
        yield started


@pytest.fixture
def client(app: tuple[str, Client]) -> Client:
    return app[1]


@pytest.fixture
def errors() -> list[str]:
    """What the pages of a test wrote to the console as errors."""
    return []


@pytest.fixture
def page(app: tuple[str, Client], browser: Browser, errors: list[str]) -> Iterator[Page]:
    with browser.new_context(base_url=app[0], viewport={"width": 1440, "height": 1100}) as session:
        opened = session.new_page()
        watch(opened, errors)
        yield opened


def watch(page: Page, errors: list[str]) -> None:
    """Collect errors of the page's console and its uncaught exceptions in `errors`."""

    def note(message: object) -> None:
        # Streamlit's own start on a deep link: it looks for its server below the path of the page first
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):  # type: ignore[attr-defined]
            errors.append(f"{message.text} {message.location.get('url', '')}")  # type: ignore[attr-defined]

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
