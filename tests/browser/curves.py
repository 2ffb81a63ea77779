"""Where the tests and the benchmark of the curve move its knobs, and how a hand does it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from optlab.knobs import KnobbedRecipe, Knobs, knobs_of
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

BEGIN = Recipe.of(Step("prune", "magnitude", {"sparsity": 0.2}), Step("quantize", "rtn", {"bits": 4, "group_size": 64}))
HANDLE = 16.0
"""Width of a range input's handle in Chromium, pixels: its middle reaches the ends of the track but for half of it."""


def knobbed(description: Description) -> KnobbedRecipe:
    """`BEGIN` with its knobs."""
    found = KnobbedRecipe.of(BEGIN, description)
    assert found is not None
    return found


def places(knobs: KnobbedRecipe, count: int) -> list[Knobs]:
    """Stops to visit one after another, each apart from the one before in one knob, as a hand moves them."""
    rng, found = random.Random(0), [knobs_of(BEGIN)]
    bits, sparsities = knobs.bits(), knobs.sparsities()
    while len(found) <= count:
        now = found[-1]
        turned = (
            Knobs(rng.choice(bits), now.sparsity) if rng.random() < 0.5 else Knobs(now.bits, rng.choice(sparsities))
        )
        if turned != now:
            found.append(turned)
    return found[1:]


def hold(page: Page, knob: Locator, stop: int) -> None:
    """Take the handle with the mouse where it is, and hold it at a stop."""
    knob.scroll_into_view_if_needed()
    box = knob.bounding_box()
    assert box is not None
    last, y = int(knob.get_attribute("max") or 0), box["y"] + box["height"] / 2

    def x(place: int) -> float:
        assert box is not None
        return box["x"] + HANDLE / 2 + (box["width"] - HANDLE) * place / last

    page.mouse.move(x(int(knob.input_value())), y)
    page.mouse.down()
    page.mouse.move(x(stop), y, steps=3)
