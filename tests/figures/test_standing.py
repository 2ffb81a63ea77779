"""What the strip says of the recipe on the page is what the curve says of its stop, and news of its run comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.figures import curve, standing
from optlab.knobs import KnobbedRecipe, knobs_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from tests.pages import samples
from tests.probed_client import probed_client

NANO = samples.description()
RECIPE = samples.quantized(4, 32)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return probed_client(tmp_path, monkeypatch)


def knobbed() -> KnobbedRecipe:
    found = KnobbedRecipe.of(RECIPE, NANO)
    assert found is not None
    return found


def test_it_is_the_cell_of_the_curve_with_knobs_and_without(client: Client) -> None:
    now = knobs_of(RECIPE)
    drawn = curve.of(client, NANO, knobbed(), now, Protocol())
    number = [stop.value for stop in drawn.bits.stops].index(now.bits) * len(drawn.sparsity.stops)
    for knobs in (knobbed(), None):
        assert standing.of(client, "nano", RECIPE, Protocol(), None, knobs) == drawn.cells[number]


def test_a_running_measurement_replaces_what_was_predicted_figure_by_figure(client: Client) -> None:
    run = samples.running(client, 6)
    recipe = samples.asked(run).recipe
    found = standing.of(client, "nano", recipe, Protocol(), client.run(run.id), None)
    quality, size, _speed = found.tiles
    assert (quality.side, quality.headline) == ("measured", "5.0% worse")
    assert quality.interval == "so far: 8 of 16 windows"
    assert size.side == "predicted"


def test_a_recipe_that_no_knobs_can_show_has_dots_a_frontier_and_no_stops(client: Client) -> None:
    drawn = curve.without_knobs(client, NANO, Protocol())
    assert drawn.cells == () and drawn.frontier and drawn.original == NANO.size_bytes
    sizes = [point.size for point in drawn.frontier]
    assert sizes == sorted(sizes)
    beyond = Recipe.of(Step("quantize", "nf4", {}))
    assert standing.of(client, "nano", beyond, Protocol(), None, None).side == "unknown"
