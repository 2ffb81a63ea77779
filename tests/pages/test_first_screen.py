"""What stands on the screen before Streamlit has started: the figures of the page that comes after it, or nothing."""

from __future__ import annotations

import json
import re
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from optlab.client.client import Client
from optlab.errors import ModelError
from optlab.prediction.state import place_of
from pages.components.explore import first_screen
from tests.pages import samples
from tests.pages.conftest import curve_of, open_page, standing
from tests.prediction import states


@pytest.fixture
def probed(prepared: Client) -> Client:
    states.with_anchors(states.state(blocks=2), 1.3).save(place_of("f" * 64))
    return prepared


def made(accepted: str = "en-US,en;q=0.9", newcomer: bool = False, **query: Any) -> str | None:
    """The screen of an address, in a context of its own, as a request has one."""
    return copy_context().run(first_screen.html, query, accepted, newcomer)


def drawn(html: str | None) -> Any:
    assert html is not None
    found = re.search(r'<script type="application/json" id="first-screen-curve">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("recipe", ["", samples.as_link(3), json.dumps([{"prune": {"sparsity": 0.5}}])])
def test_it_shows_what_the_page_shows_after_it(probed: Client, recipe: str) -> None:
    query: dict[str, Any] = {"model": "nano", "context": "256"} | ({"recipe": recipe} if recipe else {})
    first, app = drawn(made(**query)), open_page("explore", **query)
    assert first["said"]["cell"] == standing(app)
    assert first["curve"] == {**curve_of(app), "token": ""}


def test_the_root_shows_the_recipe_that_a_newcomer_gets(probed: Client) -> None:
    first, app = drawn(made(newcomer=True)), open_page()
    assert first["curve"]["stands"]["bits"] == 4
    assert first["said"]["cell"] == standing(app) and first["said"]["cell"]["side"] == "predicted"
    assert drawn(made(newcomer=True, recipe=samples.as_link(6)))["curve"]["stands"]["bits"] == 6


def test_a_measurement_is_shown_in_the_place_of_its_prediction(probed: Client) -> None:
    assert drawn(made(recipe=samples.as_link(4)))["said"]["cell"]["side"] == "predicted"
    samples.measured(probed, 4)
    cell = drawn(made(recipe=samples.as_link(4)))["said"]["cell"]
    assert (cell["side"], cell["tiles"][0]["headline"]) == ("measured", "10.0% worse")


def test_it_speaks_the_language_of_the_address_else_of_the_browser(probed: Client) -> None:
    asked = {
        "en": [made(), made("fr-FR, zh;q=0.5"), made("zh-CN", lang="en"), made("")],
        "zh": [made("zh-CN,zh;q=0.9"), made("en", lang="zh")],
    }
    for language, screens in asked.items():
        for html in screens:
            assert html is not None and f'data-language="{language}"' in html
            assert ("The rest of the page" in html) == (language == "en")
            assert (drawn(html)["curve"]["words"]["quality"] == "Perplexity") == (language == "en")
    # where the address says nothing the browser has the last word, which it gives in the page
    assert "data-known" in (made() or "") and "data-known" not in (made(lang="en") or "")


@pytest.mark.parametrize(
    "query",
    [
        {"recipe": "[{"},
        {"tokens": "none"},
        {"embed": "true"},
        {"recipe": json.dumps([{"quantize": {"bits": 4}}, {"quantize": {"bits": 3}}])},  # beyond three knobs
    ],
)
def test_what_it_could_not_show_as_the_page_will_is_left_to_the_page(probed: Client, query: dict[str, Any]) -> None:
    assert made(**query) is None


@pytest.mark.parametrize("model", ["no-such-model", "<script>alert(1)</script>"])
def test_a_model_that_there_is_not_is_told_by_the_page(probed: Client, model: str) -> None:
    with pytest.raises(ModelError):
        made(model=model)


def test_words_of_a_model_do_not_become_markup(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "<b>&amp; {model}"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    samples.prepare(client, str(folder))
    html = made(model=str(folder))
    assert html is not None and "&lt;b&gt;&amp;amp; {model}" in html and "<b>&amp; " not in html
