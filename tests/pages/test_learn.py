"""Learn: every lesson computes on the real nano, answers questions, and is opened by its address."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from optlab import paths
from pages.components.learn.index import LESSONS
from tests.pages.conftest import ROOT, open_page, parameter, well, words


@pytest.fixture(autouse=True)
def nano(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "ASSETS", ROOT / "assets")


def lesson(slug: str) -> AppTest:
    return open_page("learn", lesson=slug)


def charts(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_the_page_lists_every_lesson_and_opens_it() -> None:
    app = open_page("learn")
    for module in LESSONS.values():
        assert module.title() in words(app)
    app = well(app.button(key="learn/open/softmax").click().run())
    assert parameter(app, "lesson") == "softmax"
    assert app.title[0].value == LESSONS["softmax"].title()


def test_an_unknown_lesson_is_said_and_all_are_offered() -> None:
    app = open_page("learn", lesson="no-such")
    assert "no lesson with this name" in words(app)
    assert app.button(key="learn/open/attention")


@pytest.mark.parametrize("slug", LESSONS)
def test_a_lesson_draws_what_it_computed_and_explains_its_letters(slug: str) -> None:
    app = lesson(slug)
    assert not app.error
    assert charts(app), "a lesson without a chart computed nothing"
    assert app.get("latex") or any("$" in one.value for one in app.markdown)
    assert len(app.radio) == 3


@pytest.mark.parametrize("slug", LESSONS)
def test_every_question_says_right_and_not_quite_and_why(slug: str) -> None:
    asked = LESSONS[slug].questions()
    app = lesson(slug)
    for number, question in enumerate(asked):
        wrong = (question.right + 1) % 3
        app.radio(key=f"learn/{slug}/question/{number}").set_value(question.right if number else wrong)
    app = well(app.run())
    assert [one.value for one in app.warning] == [f"Not quite. {asked[0].because}"]
    assert [one.value for one in app.success] == [f"Right. {one.because}" for one in asked[1:]]
    assert "2 of 3 right." in words(app)


def test_the_lessons_lead_to_each_other() -> None:
    app = lesson("attention")
    app = well(app.button(key="learn/next").click().run())
    assert parameter(app, "lesson") == "softmax"
    app = well(app.button(key="learn/back").click().run())
    assert parameter(app, "lesson") == "attention"
    app = well(app.selectbox(key="learn/picked").set_value("perplexity").run())
    assert parameter(app, "lesson") == "perplexity"


def test_a_sentence_of_ones_own_is_computed_and_a_short_one_refused_in_words() -> None:
    app = lesson("attention")
    app = well(app.text_input(key="learn/attention/sentence").set_value("Good night, good night!").run())
    seen = charts(app)[0]["data"][0]["y"]
    assert seen[0] == "1. Good" and seen[-1].endswith("!")
    app = well(app.text_input(key="learn/attention/sentence").set_value("a").run())
    assert "write between 2 and 64" in app.error[0].value


@pytest.mark.parametrize("slug", ["grid", "combination"])
def test_what_became_smaller_is_not_called_larger(slug: str) -> None:
    app = lesson(slug)
    said = words(app) + " ".join(str(one.value) for one in app.metric)
    assert "x smaller" in said
    assert "x larger" not in said
