"""The curve under the finger inside a page without a server: what recipes that nobody measured would cost."""

from __future__ import annotations

from optlab.client.client import Client
from optlab.figures import curve as curves
from optlab.figures import curve_assets
from optlab.figures.curve import Curve
from optlab.fitting import first_recipe
from optlab.knobs import KnobbedRecipe, knobs_of
from optlab.models.describe import Description
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report.comparison import Comparison
from optlab.report.markup import Markup, element

FIRST_BITS = 4
"""Where the knobs begin when nothing else says so."""


def begins(description: Description) -> Recipe:
    """The recipe of a page about the model as such."""
    return first_recipe(FIRST_BITS, description)


def of(client: Client, comparison: Comparison) -> Curve | None:
    """What lies around the recipes of a report: around the newest that three knobs can show, else around four bits.

    None where nothing is predicted of its model. Raises ModelError.
    """
    newest = comparison.measured[0]
    description = client.description(newest.spec.model)
    if description is None or client.predictor(newest.spec.model, newest.spec.protocol) is None:
        return None
    shown = [one.spec.recipe for one in comparison.measured if isinstance(one.spec.recipe, Recipe)]
    return next(
        (drawn for one in [*shown, begins(description)]
         if (drawn := around(client, description, one, newest.spec.protocol)) is not None),
        None,
    )  # fmt: skip


def around(client: Client, description: Description, recipe: Recipe, protocol: Protocol) -> Curve | None:
    """The curve on which `recipe` lies; None where three knobs cannot show it. Raises ModelError."""
    knobbed = KnobbedRecipe.of(recipe, description)
    return None if knobbed is None else curves.of(client, description, knobbed, knobs_of(recipe), protocol)


def scripts(curve: Curve) -> list[Markup]:
    """Table and script, for the end of a page that holds `curve_assets.markup()` once."""
    data = curve.to_json().replace("<", "\\u003c")
    return [
        element("script", Markup(data), type="application/json", id="optlab-curve"),
        element("script", Markup(curve_assets.script(curve_assets.PAGE))),
    ]
