"""The strip of a recipe has a cell for every layer, which says on hover what happens to it."""

from __future__ import annotations

import re

from optlab.figures import layer_strip
from optlab.recipes import Recipe, Step
from tests.pages import samples

NANO = samples.description()
NAMES = [name for name, _shape in NANO.linears]


def titles(recipe: Recipe) -> list[str]:
    return re.findall(r'title="([^"]*)"', layer_strip.html(recipe, NANO))


def test_every_layer_is_told_by_the_last_step_that_treats_it() -> None:
    first = re.escape(NAMES[0])
    told = titles(Recipe.of(Step("quantize", "rtn", {"bits": 4}), Step("quantize", "rtn", {"bits": 8}, first)))
    assert len(told) == len(NAMES)
    assert told[0].startswith(f"{NAMES[0]}, rtn 8 bits")
    assert all("rtn 4 bits" in one for one in told[1:])


def test_more_bits_are_darker_and_zeros_stand_at_the_bottom() -> None:
    def share(bits: int) -> int:
        found = re.search(r"color-mix\(in srgb, #\w+ (\d+)%", layer_strip.html(samples.quantized(bits), NANO))
        assert found is not None
        return int(found[1])

    assert share(2) < share(4) < share(8) == 100
    pruned = layer_strip.html(Recipe.of(Step("prune", "magnitude", {"sparsity": 0.5})), NANO)
    assert pruned.count("height:50%") == len(NAMES)
    assert titles(Recipe())[0] == f"{NAMES[0]}, not quantized"
    assert "nf4" in titles(Recipe.of(Step("quantize", "nf4", {})))[0]
