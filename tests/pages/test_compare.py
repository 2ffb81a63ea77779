"""Compare: every measurement in the table, those of one model and text in the chart, and the way back to a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.full_store import measured
from optlab.client.client import Client
from optlab.figures import thinning
from optlab.jobs.comparison import COMPARISON
from optlab.protocol import Protocol
from optlab.store.run import Label
from pages.components.compare import table
from tests.pages import samples
from tests.pages.conftest import open_page, well, words


def select(app: AppTest, rows: list[int]) -> AppTest:
    """Tick runs of the table, as its widget would report it; its first row is the original."""
    app.session_state["compare/table"] = {"selection": {"rows": [row + 1 for row in rows], "columns": [], "cells": []}}
    return well(app.run())


def test_an_empty_store_leads_to_explore(prepared: Client) -> None:
    app = open_page("compare")
    assert "Nothing has been measured yet" in app.info[0].value
    assert not app.dataframe


def test_the_table_holds_the_figures_of_the_store(prepared: Client) -> None:
    for bits in samples.MEASURED:
        samples.measured(prepared, bits)
    table = open_page("compare").dataframe[0].value
    for bits, (ratio, size, decode_ms) in samples.MEASURED.items():
        row = table[table["recipe"].str.contains(f"{bits} bits")].iloc[0]
        assert (row["ppl_ratio"], row["size_bytes"]) == (ratio, size)
        assert row["low"] < ratio < row["high"]
        assert row["decode_ms"] == decode_ms or (decode_ms is None and row["decode_ms"] != row["decode_ms"])


def test_running_and_failed_measurements_are_not_compared(prepared: Client) -> None:
    samples.measured(prepared, 4)
    samples.failed(prepared)
    samples.running(prepared)
    assert open_page("compare").dataframe[0].value["recipe"].str.contains("original|4 bits").sum() == 2
    assert len(open_page("compare").dataframe[0].value) == 2


def test_the_chart_has_a_point_for_each_row(prepared: Client) -> None:
    for bits in samples.MEASURED:
        samples.measured(prepared, bits)
    figure = json.loads(open_page("compare").get("plotly_chart")[0].proto.spec)
    points = [custom[-1] for trace in figure["data"] for custom in trace.get("customdata", [])]
    assert sorted(points) == sorted(ratio for ratio, _, _ in samples.MEASURED.values())
    assert [trace["name"] for trace in figure["data"]].count("original") == 1


def test_runs_that_read_more_or_less_of_the_text_are_not_put_side_by_side_without_a_word(prepared: Client) -> None:
    samples.measured(prepared, 4)
    said = "tokens of the text"
    assert not any(said in caption.value for caption in open_page("compare").caption)
    samples.measured(prepared, 8, Protocol(tokens=512))
    assert [caption.value[:40] for caption in open_page("compare").caption if said in caption.value] == [
        "These runs read 512 to 8,192 tokens of t"
    ]


def test_of_very_many_the_chart_draws_some_and_says_so_and_the_table_has_pages(prepared: Client) -> None:
    runs = [measured(prepared, number) for number in range(350)]
    assert prepared.adopt(runs) == 350
    app = open_page("compare")
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    drawn = {custom[0] for trace in figure["data"] for custom in trace.get("customdata", [])}
    assert len(drawn) == thinning.MOST
    assert f"{thinning.MOST} of 350 measurements are drawn" in words(app)
    listed = app.dataframe[0].value["run"].dropna().tolist()
    newest = [run.id for run in prepared.runs("measure")]
    assert listed == newest[: table.PER_PAGE]
    well(next(box for box in app.selectbox if box.label == "Rows").set_value("small").run())
    sizes = app.dataframe[0].value["size_bytes"].iloc[1:]
    assert sizes.is_monotonic_increasing
    assert sizes.min() == 4_000_000
    app.session_state["compare/table/small/1"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    (link,) = well(app.run()).get("page_link")
    assert f"run {newest[-1]} in Explore" in link.proto.label


def test_one_row_opens_its_recipe(prepared: Client) -> None:
    run = samples.measured(prepared, 4, Protocol(tokens=1024))
    app = select(open_page("compare"), [0])
    (link,) = app.get("page_link")
    assert f"run {run.id} in Explore" in link.proto.label
    assert "tokens=1024" in link.proto.query_string
    assert "recipe=" in link.proto.query_string


def test_two_rows_are_laid_side_by_side(prepared: Client) -> None:
    samples.measured(prepared, 4)
    samples.measured(prepared, 8)
    app = select(open_page("compare"), [0, 1])
    text = words(app)
    assert "Side by side" in text
    assert "10.0% worse" in text
    assert "no measurable change" in text  # the interval of 8 bits contains 1
    overlay = json.loads(app.get("plotly_chart")[-1].proto.spec)
    assert len(overlay["data"]) == 2


def test_a_row_that_was_deleted_meanwhile_shows_no_exception(prepared: Client) -> None:
    samples.measured(prepared, 4)
    app = open_page("compare")
    prepared.store.delete(prepared.store.list("measure")[0].id)
    select(app, [0])


def test_the_comparison_can_be_taken_along(prepared: Client) -> None:
    samples.measured(prepared, 4)
    samples.measured(prepared, 8)
    app = open_page("compare")
    offered = {button.proto.label: button.proto for button in app.get("download_button")}
    assert set(offered) == {"Report", "PDF", "CSV", "JSON"}
    assert not offered["Report"].disabled
    assert "2 measurements" in offered["Report"].help
    app = select(app, [0])
    assert "1 measurement:" in next(b.proto.help for b in app.get("download_button") if b.proto.label == "Report")


def test_a_file_is_compared_with_the_model_on_the_page(prepared: Client, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    app = open_page("compare")
    app.text_input(key="compare/path").set_value(str(other))
    next(button for button in app.button if button.label == "Compare").click()
    well(app.run())
    (run,) = prepared.runs(kind="comparison")
    asked = COMPARISON.spec_of(run)
    assert (asked.model, asked.other) == ("nano", str(other))

    samples.finish(prepared, run, samples.comparison(asked))
    app = well(app.run())
    text = words(app)
    assert "Perplexity 21" in text
    assert "KL divergence 0.01234" in text
    assert "A note about the file" in text
    worst = app.dataframe[0].value
    assert worst["error"].is_monotonic_decreasing
    assert worst["bits"].tolist() == [4.5] * len(worst)
    assert "other against nano" in words(open_page("runs"))


def test_a_path_that_is_no_model_is_one_sentence(prepared: Client) -> None:
    app = open_page("compare")
    app.text_input(key="compare/path").set_value("/nowhere/at/all")
    next(button for button in app.button if button.label == "Compare").click()
    well(app.run())
    assert "There is no model" in words(app)
    assert not prepared.runs(kind="comparison")


def test_the_original_is_the_first_row_and_cannot_be_opened(prepared: Client) -> None:
    samples.measured(prepared, 4)
    app = open_page("compare")
    first = app.dataframe[0].value.iloc[0]
    assert (first["recipe"], first["ppl_ratio"], first["size_bytes"], first["ppl"]) == (
        "original", 1.0, samples.BASE_BYTES, 20.0,
    )  # fmt: skip
    assert not select(app, [-1]).get("page_link")


def test_a_run_may_be_what_the_others_are_compared_with(prepared: Client) -> None:
    four, eight = samples.measured(prepared, 4), samples.measured(prepared, 8)
    app = open_page("compare")
    choice = next(box for box in app.selectbox if box.label == "Compared with")
    well(choice.set_value(eight.id).run())
    table = app.dataframe[0].value.set_index("run")
    (ratio4, size4, _ms4), (ratio8, size8, _ms8) = samples.MEASURED[4], samples.MEASURED[8]
    assert table.loc[eight.id, ["ppl_ratio", "low", "high", "size_ratio"]].tolist() == [1.0] * 4
    assert table.loc[four.id, "ppl_ratio"] == pytest.approx(ratio4 / ratio8)
    assert table.loc[four.id, "size_ratio"] == pytest.approx(size4 / size8)
    assert table.loc[four.id, "low"] < ratio4 / ratio8 < table.loc[four.id, "high"]


def test_a_name_a_note_and_a_star_are_kept_and_shown_everywhere(prepared: Client) -> None:
    run = samples.measured(prepared, 4)
    app = select(open_page("compare"), [0])
    app.text_input(key=f"label/{run.id}/name").set_value("for *the* phone")
    app.text_input(key=f"label/{run.id}/note").set_value("asked by Ann")
    app.toggle(key=f"label/{run.id}/star").set_value(True)
    well(next(button for button in app.button if button.label == "Save").click().run())
    kept = prepared.run(run.id)
    assert kept is not None
    assert kept.label == Label("for *the* phone", "asked by Ann", True)
    row = app.dataframe[0].value.iloc[1]
    assert (row["name"], row["note"], row["starred"]) == ("for *the* phone", "asked by Ann", True)
    listed = words(open_page("runs"))
    assert "for \\*the\\* phone" in listed
    assert "asked by Ann" in listed


def test_the_knob_that_moved_is_the_one_that_decides(prepared: Client) -> None:
    for bits in (8, 4, 2):
        samples.measured(prepared, bits)
        samples.measured(prepared, bits, Protocol(tokens=1024))
    app = open_page("compare", boxes=("knobs",))
    assert any("parcoords" in chart.proto.spec for chart in app.get("plotly_chart"))
    assert "epsilon squared" in words(app)


def test_each_of_the_ticked_models_is_asked_to_write(prepared: Client) -> None:
    samples.measured(prepared, 4)
    samples.measured(prepared, 8)
    app = select(open_page("compare"), [0, 1])
    app.button(key="compare/write").click()
    well(app.run())
    asked = [samples.asked(run) for run in prepared.store.list("generate")]
    assert sorted(one.recipe.steps[0].values["bits"] for one in asked) == [4, 8]
    assert len({one.prompt for one in asked}) == 1
