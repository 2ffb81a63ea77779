"""One run has one speed-up: Explore, its badge, Compare, Advisor, Runs and the report say the same of it.

The paired ratio of the samples is chosen so that no quotient of their median times, in the run or between it and
another one, would give its text.
"""

from __future__ import annotations

import json

import pytest

from optlab.client.client import Client
from optlab.evaluation.environment import record
from optlab.figures.speedup import in_words
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report.comparison import Comparison
from optlab.report.document import html
from optlab.store.run import Run
from tests.pages import samples
from tests.pages.conftest import open_page, standing, words

RECIPE = samples.quantized(4)
FASTER = (1.37, 1.30, 1.44)
UNSURE = (1.09, 0.97, 1.22)
UNCLEAR = "no measurable speed-up"


def measured(client: Client, recipe: Recipe, decode_ms: float, speedup: tuple[float, float, float]) -> Run:
    """A run of this machine, so that the Advisor takes its times."""
    result = samples.measurement(1.1, 5_000_000, decode_ms, recipe, speedup=speedup)
    run = client.submit_measure("nano", recipe, Protocol())
    samples.finish(client, run, result.model_copy(update={"environment": record()}))
    done = client.run(run.id)
    assert done is not None
    return done


@pytest.mark.parametrize(("speedup", "said"), [(FASTER, "1.37 x faster"), (UNSURE, UNCLEAR)])
def test_every_page_and_the_report_say_the_same_speedup(
    prepared: Client, speedup: tuple[float, float, float], said: str
) -> None:
    measured(prepared, samples.quantized(8), 1.0, (2.0, 1.9, 2.1))  # another run, with another time of the original
    run = measured(prepared, RECIPE, 1.8, speedup)  # its medians would give 1.11
    link = json.dumps(RECIPE.to_dict()["steps"])

    app = open_page("explore", recipe=link)
    explore = words(app).replace("\\", "")
    assert standing(app)["tiles"][2]["headline"] == said
    assert f"### {said}" in words(open_page("explore", shown="Speed", recipe=link))
    assert (f"Faster here: {said}" if speedup[1] > 1 else "Not measurably faster here") in explore

    table = open_page("compare").dataframe[0].value.set_index("run")
    assert table.loc[run.id, "speed"] == said
    assert table.loc[run.id, "speedup"] == speedup[0]

    page = open_page("find_best")
    page.number_input(key="advisor/worse/write").set_value(50.0)
    page.number_input(key="advisor/memory").set_value(5.0)
    advice = words(page.run()).replace("\\", "")
    assert f"tokens per second here, {said}" in advice

    newest, other = [caption.value for caption in open_page("runs").caption if "smaller" in caption.value]
    assert f"4.0 x smaller, {said}, 10.0% worse" == newest
    assert "2.0 x faster" in other

    report = html(Comparison.of([run]))
    assert report.count(said) == 3  # at its point of the chart, in the table, and on its card
    medians = ("1.11 x faster", "1.11 times", "1.80 x slower")  # of the run, and of the run beside the other one
    assert not any(other in text for text in (explore, advice, report, newest) for other in medians)


def test_what_was_timed_before_rounds_were_paired_has_no_speedup(prepared: Client) -> None:
    result = samples.measurement(1.1, 5_000_000, 1.0, RECIPE)
    unpaired = result.delta.model_copy(update={"decode_speedup": None, "decode_speedup_ci95": None})
    run = prepared.submit_measure("nano", RECIPE, Protocol())
    samples.finish(prepared, run, result.model_copy(update={"delta": unpaired}))
    text = words(open_page("explore", recipe=json.dumps(RECIPE.to_dict()["steps"])))
    assert "1,000 tokens/s" in text
    assert "x faster" not in text and "no measurable speed-up" not in text


@pytest.mark.parametrize(
    ("speedup", "interval", "said"),
    [(1.5, (1.4, 1.6), "1.50 x faster"), (1.5, (0.9, 2.4), UNCLEAR), (0.5, (0.4, 0.6), "2.0 x slower"),
     (1.5, None, "1.50 x faster"), (1.2, (1.0, 1.4), UNCLEAR), (None, None, "")],
)  # fmt: skip
def test_a_speedup_within_chance_is_the_same_speed(
    speedup: float | None, interval: tuple[float, float] | None, said: str
) -> None:
    assert in_words(speedup, interval) == said
