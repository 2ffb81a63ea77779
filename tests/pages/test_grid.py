"""A grid asks for what is missing and nothing else, shows what is there, and gives back what waits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from optlab.client import grid as grids
from optlab.client.client import Client
from optlab.client.grid import Grid
from optlab.errors import RecipeError
from optlab.figures.grid import Square, heat
from optlab.jobs import durations
from optlab.jobs.measure_plan import expectation
from optlab.knobs import KnobbedRecipe
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store.run import Status
from tests.pages import samples
from tests.pages.conftest import open_page


def looked(client: Client, bits: tuple[int | None, ...] = (4, 8), shares: tuple[float, ...] = (0.0, 0.5)) -> Grid:
    family = KnobbedRecipe.of(samples.quantized(4), samples.description())
    assert family is not None
    return grids.look(client, "nano", family, bits, shares, Protocol())


def test_every_crossing_is_a_cell_but_the_original(prepared: Client) -> None:
    found = looked(prepared, bits=(4, None))
    assert [(cell.bits, cell.sparsity) for cell in found.cells] == [(4, 0.0), (4, 0.5), (None, 0.5)]
    assert found.open == list(found.cells) and found.runs == []
    kinds = [[step.kind for step in cell.recipe.steps] for cell in found.cells]
    assert kinds == [["quantize"], ["prune", "quantize"], ["prune"]]


def test_what_explore_measured_is_there(prepared: Client) -> None:
    samples.measured(prepared, 4)
    first, *others = looked(prepared).cells
    assert first.measured is not None and not first.open
    assert first.measured.result.delta.ppl_ratio == samples.MEASURED[4][0]
    assert all(cell.open for cell in others)


def test_the_rest_is_asked_for_once(prepared: Client) -> None:
    samples.measured(prepared, 4)
    grids.begin(prepared, looked(prepared))
    assert prepared.counts()[Status.QUEUED] == 3
    grids.begin(prepared, looked(prepared))
    found = looked(prepared)
    assert prepared.counts()[Status.QUEUED] == 3 and not found.open
    # 8 bits without zeros are worth knowing first
    assert next(run.id for run in found.runs if run.live) == next(
        cell.run.id for cell in found.cells if cell.run and (cell.bits, cell.sparsity) == (8, 0.0)
    )


def test_a_pause_takes_back_what_waits_and_it_goes_on(prepared: Client) -> None:
    grids.begin(prepared, looked(prepared))
    running = prepared.store.claim("worker-1-1")
    assert running is not None
    grids.pause(prepared, looked(prepared))
    assert (prepared.counts()[Status.RUNNING], prepared.counts()[Status.CANCELLED]) == (1, 3)
    assert len(looked(prepared).open) == 3
    grids.begin(prepared, looked(prepared))
    assert prepared.counts()[Status.QUEUED] == 3


def test_what_it_will_take_is_the_sum_of_its_parts(prepared: Client) -> None:
    found = looked(prepared)
    settled = prepared.subject("nano", Protocol()).protocol
    alone = [expectation(cell.recipe, settled, samples.description(), durations.load()).seconds for cell in found.cells]
    assert found.seconds == pytest.approx(sum(alone)) and found.seconds > 0
    assert found.size_bytes == 4 * samples.BASE_BYTES  # nothing is predicted of a model that was never probed


def test_too_many_are_refused_in_words(prepared: Client) -> None:
    with pytest.raises(RecipeError, match="too many for one grid"):
        looked(prepared, bits=(2, 3, 4, 5, 6, 8), shares=tuple(share / 10 for share in range(9)))


def test_the_picture_says_what_is_measured_and_what_is_not() -> None:
    figure = heat([
        Square(4, 0.0, 1.02, 1.01, 1.03, True, 100), Square(4, 0.5, 1.2, size_bytes=80), Square(8, 0.0, 1.0001),
        Square(None, 0.5, state="failed"),
    ])  # fmt: skip
    words = [note.text for note in figure.layout.annotations]
    assert words == ["<b>+2.0%</b><br>+1.0% to +3.0%", "about +20.0%", "about 0%", "failed"]
    measured, predicted = figure.data
    assert _contrast("#FFFFFF", measured.colorscale[0][1]) > 2 * _contrast("#FFFFFF", predicted.colorscale[0][1])
    assert list(figure.layout.yaxis.categoryarray) == ["4 bits", "8 bits", "unquantized"]


def shown(client: Client, **query: Any) -> dict[str, Any]:
    page = open_page("compare", boxes=("grid",), recipe=json.dumps(samples.quantized(4).to_dict()["steps"]), **query)
    assert not page.exception and not page.error
    figure: dict[str, Any] = json.loads(page.get("plotly_chart")[0].proto.spec)
    return figure


def test_the_page_measures_what_is_chosen(prepared: Client) -> None:
    page = open_page("compare", boxes=("grid",))
    page.button(key="grid/begin").click().run()
    assert not page.exception
    asked = [run for run in prepared.runs("measure") if run.live]
    assert len(asked) == 6  # 8, 4 and 3 bits, each without zeros and with half of them
    assert page.button(key="grid/pause").label == "Pause"
    page.button(key="grid/pause").click().run()
    assert prepared.counts()[Status.QUEUED] == 0


def test_a_link_opens_the_same_grid(prepared: Client) -> None:
    figure = shown(prepared, grid_bits=["4", "2"], grid_zeros=["0%", "30%"])
    assert figure["layout"]["yaxis"]["categoryarray"] == ["2 bits", "4 bits"]
    assert figure["layout"]["xaxis"]["categoryarray"] == ["0%", "30%"]


def test_a_recipe_without_knobs_is_told(prepared: Client) -> None:
    twice = Recipe((*samples.quantized(4).steps, *samples.quantized(8).steps))
    page = open_page("compare", boxes=("grid",), recipe=json.dumps(twice.to_dict()["steps"]))
    assert not page.exception
    assert any("more than bits and sparsity" in caption.value for caption in page.caption)


def test_the_words_of_a_cell_are_read_on_every_colour_and_in_both_themes() -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1; where a cell has no colour, the page's theme has the word."""
    figure = heat([
        Square(4, 0.0, 1.004, 1.001, 1.007, True), Square(3, 0.0, 1.02), Square(2, 0.0, state="waiting"),
    ])  # fmt: skip
    *inks, waiting = (one.font.color for one in figure.layout.annotations)
    assert waiting is None
    for trace, ink in zip(figure.data, inks, strict=True):
        assert trace.opacity in (None, 1.0), "a page's own colour would shine through"
        stops, colours = zip(*trace.colorscale, strict=True)
        parts = [[int(colour[at : at + 2], 16) for colour in colours] for at in (1, 3, 5)]
        for place in np.linspace(0, 1, 21):  # between its stops a scale is mixed as plotly.js does
            mixed = "#" + "".join(f"{round(np.interp(place, stops, part)):02X}" for part in parts)
            assert _contrast(ink, mixed) >= 4.5


def _contrast(one: str, other: str) -> float:
    """Of two colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
