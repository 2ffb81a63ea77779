"""Bits layer by layer go into the recipe and come back out of it; a look inside is asked for once."""

from __future__ import annotations

import pytest

from optlab.client.client import Client
from optlab.errors import RecipeError
from optlab.prediction.layer_values import BITS, ZEROS, offered, values_of, with_values
from optlab.recipes import Recipe, Step
from tests.pages import samples
from tests.pages.conftest import open_page, well, words

DESCRIPTION = samples.description()
NAMES = [name for name, _ in DESCRIPTION.linears]
PRUNED = Step("prune", "magnitude", {"sparsity": 0.5})


def test_bits_written_into_a_recipe_are_read_back() -> None:
    bits = {name: (3.0, 4.0, 6.0, BITS.untouched)[i % 4] for i, name in enumerate(NAMES)}
    mixed = with_values(Recipe.of(PRUNED, *samples.quantized(4).steps), BITS, bits)
    assert values_of(mixed, DESCRIPTION, BITS) == bits
    assert mixed.steps[0].kind == "prune"
    mixed.check_fits(DESCRIPTION.linears)
    again = with_values(mixed, BITS, dict.fromkeys(NAMES, 4))
    assert again.content_hash == Recipe.of(PRUNED, *samples.quantized(4).steps).content_hash


def test_shares_written_into_a_recipe_are_read_back() -> None:
    shares = {name: (0.3, 0.5, 0.0)[i % 3] for i, name in enumerate(NAMES)}
    mixed = with_values(Recipe.of(PRUNED, *samples.quantized(4).steps), ZEROS, shares)
    assert values_of(mixed, DESCRIPTION, ZEROS) == shares
    assert [step.kind for step in mixed.steps] == ["prune", "prune", "quantize"]
    assert offered(Recipe.of(Step("prune", "magnitude", {"sparsity": 0.5, "pattern": "2:4"})), ZEROS) is None
    assert offered(Recipe.of(Step("prune", "magnitude", {"scope": "global"})), ZEROS) is None


def test_a_recipe_without_one_quantization_has_no_table() -> None:
    assert offered(Recipe.of(PRUNED), BITS) is None
    with pytest.raises(RecipeError, match="no quantize step"):
        with_values(Recipe.of(PRUNED), BITS, {})
    different = Recipe.of(*samples.quantized(4, 64).steps, *samples.quantized(4, 32).steps)
    assert offered(different, BITS) is None


def test_looking_inside_asks_for_the_worst_layer_of_exactly_this_recipe(prepared: Client) -> None:
    run = samples.measured(prepared, 4)
    link = {"recipe": samples.as_link(4)}
    app = open_page("explore", shown="Layers", part="inside", **link)
    assert "at the median" in words(app)
    well(next(button for button in app.button if button.label == "Look inside").click().run())
    asked = prepared.store.list("layer_inspection")[0]
    assert samples.asked(asked).layer == NAMES[-1]  # the sample's errors grow from layer to layer
    assert samples.asked(asked).recipe == samples.asked(run).recipe


def test_the_table_of_layers_shows_the_error_that_was_measured(prepared: Client) -> None:
    samples.measured(prepared, 4)
    app = open_page("explore", shown="Layers", part="bits", recipe=samples.as_link(4))
    table = next(frame.value for frame in app.dataframe if "layer" in frame.value.columns and "bits" in frame.value)
    assert list(table["layer"]) == NAMES
    assert set(table["bits"]) == {4}
    assert list(table["error"])[:2] == pytest.approx([0.01, 0.02])
