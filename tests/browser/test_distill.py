"""A student of nano learns before one's eyes: started, watched, stopped, continued, found again in Compare."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from optlab.recipes import Recipe
from optlab.store.run import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
expect = sync_api.expect

pytestmark = pytest.mark.browser

SETTINGS = {"student_layers": 1, "steps": 40, "batch": 4, "window": 64, "learning_rate": 1e-3}
RECIPE = Recipe.from_dict({"steps": [{"distill": SETTINGS}]})
ADDRESS = (
    f"/distill?model=nano&tokens=1024&context=256&latency=false&recipe={quote(json.dumps(RECIPE.to_dict()['steps']))}"
)
PATIENCE = 180_000


def newest(client: Client, sure: re.Pattern[str], seconds: float = 180) -> Run:
    """The student's run once its status is one of those."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for run in client.store.list(kind="measure"):
            if MEASURE.spec_of(run).recipe == RECIPE and sure.fullmatch(run.status):
                return run
        time.sleep(0.1)
    raise AssertionError(f"no student became {sure.pattern} in {seconds} s")


def looks(run: Run | None) -> int:
    assert run is not None
    training = MEASURE.partial_of(run).training
    return 0 if training is None else len(training.training.held_out)


def test_a_student_is_started_watched_stopped_continued_and_compared(
    page: Page, client: Client, errors: list[str]
) -> None:
    page.goto(ADDRESS)
    expect(page.get_by_role("heading", name="Distill", level=1)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("its loss curve appears here")).to_be_visible(timeout=60_000)
    page.get_by_text("With a control student").click()
    page.get_by_role("button", name=re.compile("^Start( |$)")).click()

    # the curve grows: the page draws more held-out points than before, without being touched
    points = page.locator(".scatterlayer .trace .points path")
    expect(points.nth(2)).to_be_visible(timeout=PATIENCE)
    before = points.count()
    expect(points.nth(before + 2)).to_be_attached(timeout=PATIENCE)

    page.get_by_role("button", name="Stop", exact=True).click()
    stopped = newest(client, re.compile("cancelled"))
    reached = looks(stopped)
    assert 0 < reached <= 21
    expect(page.get_by_text("Its state is saved")).to_be_visible(timeout=PATIENCE)

    page.get_by_role("button", name="Continue", exact=True).click()
    newest(client, re.compile("running|done"))
    deadline = time.monotonic() + 120
    while looks(client.store.get(stopped.id)) == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    went_on = client.store.get(stopped.id)
    assert looks(went_on) >= reached, "it went on from where it was"
    done = newest(client, re.compile("done"))
    assert done.id == stopped.id and done.attempts == 2 and done.done
    result = MEASURE.result_of(done)
    assert result is not None
    (training,) = result.trainings
    assert [point.step for point in training.held_out] == sorted({point.step for point in training.held_out})
    assert training.held_out[-1].step == 40
    assert training.held_out[-1].nll < training.held_out[0].nll

    link = page.get_by_role("link", name="See it in Compare")
    expect(link).to_be_visible(timeout=PATIENCE)
    link.click()
    expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible()
    expect(page.locator(".scatterlayer .points path").first).to_be_visible(timeout=PATIENCE)
    assert errors == []
