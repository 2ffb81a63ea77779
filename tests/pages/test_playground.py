"""Playground: a measured recipe is at hand, texts are marked where they part, and their other words are shown."""

from __future__ import annotations

from optlab.client.client import Client
from pages.components.shared import writing
from tests.pages import samples
from tests.pages.conftest import open_page, well, words


def test_without_any_recipe_the_page_says_where_to_find_one(prepared: Client) -> None:
    assert "No recipe yet" in words(open_page("playground"))


def test_a_measured_recipe_is_offered_and_writing_asks_for_exactly_it(prepared: Client) -> None:
    measured = samples.measured(prepared, 4)
    app = open_page("playground")
    well(next(button for button in app.button if button.label == "Generate").click().run())
    run = prepared.store.list("generate")[0]
    assert samples.asked(run).recipe == samples.asked(measured).recipe
    assert (samples.asked(run).prompt, samples.asked(run).chat) == ("ROMEO:\n", False)


def test_a_text_is_marked_from_where_it_parts() -> None:
    html = writing.marked("<b>", "one & two", "one ")
    assert "&lt;b&gt;" in html
    assert "<b>&lt;b&gt;</b>one <mark" in html
    assert html.endswith("&amp; two</mark></div>")


def test_texts_that_are_the_same_so_far_have_no_mark() -> None:
    assert "<mark" not in writing.marked("", "one two", None)


def test_the_words_at_the_parting_are_listed(prepared: Client) -> None:
    rows = [
        {"text": " sky", "base": 0.6, "candidate": 0.3, "chosen_by": ["base"]},
        {"text": " sea", "base": 0.2, "candidate": 0.5, "chosen_by": ["candidate"]},
    ]
    side = {"text": "the sky", "tokens": 2, "tokens_per_second": 10.0}
    app = open_page("playground", recipe='[{"quantize":{"bits":4}}]')
    well(next(button for button in app.button if button.label == "Generate").click().run())
    run = prepared.store.list("generate")[0]
    result = {"base": side, "candidate": {**side, "text": "the sea"},
              "parted": {"position": 1, "shared": "the", "tokens": rows}}  # fmt: skip
    samples.finish(prepared, run, result)
    app = well(app.run())
    assert "diverge after 1 token" in words(app)
    table = app.dataframe[0].value
    assert list(table["token"]) == [" sky", " sea"]
    assert list(table["original"]) == ["60.0%", "20.0%"]
