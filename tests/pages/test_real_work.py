"""Real work: a row for each task that was asked, the answers behind it, and the ticked runs side by side in Compare."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from optlab.client.client import Client
from optlab.protocol import Protocol
from optlab.results.tasks import Difference, Estimate, Flip, Side, Slice, TaskResult
from tests.pages import samples
from tests.pages.conftest import open_page, well, words

FOUR_BITS = '[{"quantize":{"method":"rtn","bits":4,"group_size":64}}]'
RESULT = TaskResult(
    questions=300, chance=0.25, always_the_same=0.01, base=Side(score=0.4, ci95=(0.35, 0.46)),
    candidate=Side(score=0.3, ci95=(0.25, 0.36)),
    delta=Difference(score=-0.1, ci95=(-0.14, -0.06), lost=40, won=10, moved=7),
    slices=(Slice(group="French", questions=80, base=0.5, candidate=0.4,
                  difference=Estimate(mean=-0.1, ci95=(-0.2, 0.0))),),
    flips=(Flip(question="Predators eat", choices=(" lions", " bunnies"), right=1, base=(0.2, 0.8),
                candidate=(0.7, 0.3)),),
)  # fmt: skip


def opened(rows: list[int] | None = None) -> AppTest:
    """Explore at Real work, with these rows of the table chosen."""
    app = open_page("explore", recipe=FOUR_BITS)
    app.session_state["explore/view/en"] = "Real work"
    if rows is not None:
        app.session_state["work/rows"] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return well(app.run())


def answered(client: Client) -> None:
    run = samples.measured(client, 4)
    recipe = samples.asked(run).recipe
    samples.finish(client, client.submit_task("openbookqa", "nano", recipe, Protocol()), RESULT)


def test_chosen_tasks_are_asked(prepared: Client) -> None:
    app = opened()
    well(app.multiselect[0].set_value(["piqa", "xsum"]).run())
    well(app.button(key="work/ask").click().run())
    asked = [prepared.store.get(run.id) for run in prepared.store.list("tasks")]
    assert len(asked) == 2


def test_a_row_tells_score_difference_and_flips(prepared: Client) -> None:
    answered(prepared)
    table = next(frame.value for frame in opened().dataframe if "Flipped answers" in frame.value)
    assert table["original"].tolist() == ["40.0%"] and table["compressed"].tolist() == ["30.0%"]
    assert table["Change"].tolist() == ["-10.0 points (-14.0 ... -6.0) *"]  # 40 lost, 10 won: p < 0.0001
    assert table["Flipped answers"].tolist() == ["40 lost, 10 won, 7 wrong otherwise"]


def test_behind_a_row_are_the_answers_that_changed(prepared: Client) -> None:
    answered(prepared)
    app = opened([0])
    assert "Predators eat" in [text.value for text in app.text]
    flip = next(frame.value for frame in app.dataframe if "Choice" in frame.value)
    assert flip["Choice"].tolist() == ["lions", "bunnies ✓"]
    assert flip["original"].tolist() == ["20.0%", "80.0%"] and flip["compressed"].tolist() == ["70.0%", "30.0%"]
    groups = next(frame.value for frame in app.dataframe if "Group" in frame.value)
    assert groups["Change"].tolist() == ["-10.0 points (-20.0 ... +0.0)"]
    assert "would score 25.0%" in words(app)


def test_ticked_runs_show_what_was_asked_of_them(prepared: Client) -> None:
    samples.measured(prepared, 8)
    answered(prepared)
    app = open_page("compare")
    app.session_state["compare/table"] = {"selection": {"rows": [1, 2], "columns": [], "cells": []}}
    app = well(app.run())
    table = next(frame.value for frame in app.dataframe if "Task" in frame.value)
    assert table["Task"].tolist() == ["OpenBookQA"]
    assert sorted(table.iloc[0, 3:]) == ["", "-10.0 points (-14.0 ... -6.0)"]
