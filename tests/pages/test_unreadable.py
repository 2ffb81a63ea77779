"""A row that cannot be read is told as that on every page that lists runs, and the others are shown as without it."""

from __future__ import annotations

import pytest

from optlab.client.client import Client
from tests.pages import samples
from tests.pages.conftest import open_page, words


@pytest.fixture(params=samples.DAMAGE, ids=["no JSON", "fields missing", "newer", "spec no mapping", "spec wrong"])
def bad(prepared: Client, request: pytest.FixtureRequest) -> int:
    """The number of a measurement of 8 bits that cannot be read, beside one of 4 bits that can."""
    samples.measured(prepared, 4)
    run = samples.measured(prepared, 8)
    samples.damage(prepared, run, **request.param)
    return run.id


def test_compare_shows_the_others(bad: int) -> None:
    page = open_page("compare")
    assert f"run {bad} cannot be read" in words(page).lower()
    assert list(page.dataframe[0].value["recipe"]) == ["original", "rtn 4 bits, group 64"]


def test_runs_says_which_one_it_is_and_lets_it_be_deleted(prepared: Client, bad: int) -> None:
    page = open_page("runs")
    assert words(page).lower().count("cannot be read") == 1
    assert "4.0 x smaller, 2.0 x faster, 10.0% worse" in words(page)
    page.button(key=f"delete/{bad}").click().run()
    page.button(key="delete/yes").click().run()
    assert prepared.run(bad) is None


def test_advisor_advises_from_the_others(bad: int) -> None:
    text = words(open_page("find_best"))
    assert f"run {bad} cannot be read" in text.lower()
    assert "rtn 4 bits" in text


def test_explore_says_why_it_shows_no_figures(bad: int) -> None:
    text = words(open_page("explore", recipe=samples.as_link(8)))
    assert f"run {bad} cannot be read" in text.lower()
    assert "4.0 x smaller" in words(open_page("explore", recipe=samples.as_link(4)))
