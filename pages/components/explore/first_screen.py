"""Explore as it will stand, made before Streamlit has started in the browser, for the document that it starts from.

Streamlit's scripts, its websocket and the first run of the page take seconds. The predictions are at hand all the time,
so the curve lies in the document with its table and can be moved at once; when Streamlit has drawn the same curve, that
takes its place (`assets/first/first.js`). What it shows is made by what draws the page, from the same address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape

from optlab import i18n
from optlab.figures import curve_assets
from optlab.i18n import _
from optlab.knobs import KnobbedRecipe, knobs_of
from optlab.report.markup import Markup, element
from pages.components.explore import curve, first, heading
from pages.components.shared import language, services, view
from pages.components.shared.view import View

EMBEDDED = "embed"
"""In the query of a page that another one shows inside of it, in a frame that looks otherwise."""


def html(query: Mapping[str, str], accepted: str, newcomer: bool) -> str | None:
    """What belongs before the element that Streamlit draws into; None where the address names something that this
    screen cannot show as the page will. accepted: the header Accept-Language. newcomer: the address names no page, and
    so leads to the recipe that a model opens with.

    Changes the language of this context. Raises OptLabError.
    """
    given = query.get(language.KEY)
    i18n.use(given if given in language.LANGUAGES else language.nearest(accepted.split(",")[0].split(";")[0]))
    client, shown = services.client(), view.read(query)
    description = client.description(shown.model)
    if shown.problem or description is None or EMBEDDED in query:
        return None
    if newcomer and not shown.recipe.steps:
        shown = View(shown.model, first.recipe(description), shown.protocol)
    knobbed = KnobbedRecipe.of(shown.recipe, description)
    if knobbed is None:
        return None
    shown.recipe.check_fits(description.linears, description.matrices)
    run = client.find(shown.model, shown.recipe, shown.protocol) if shown.recipe.steps else None
    attributes = {} if given in language.LANGUAGES else {"data_known": " ".join(language.LANGUAGES)}
    inside = element("template", *_screen(shown), shadowrootmode="open")
    table = curve.around(client, shown, description, knobbed, knobs_of(shown.recipe)).to_json()
    said = json.dumps(curve.said(client, shown, run, knobbed), allow_nan=False)
    drawn = f'{{"curve": {table}, "said": {said}}}'.replace("<", "\\u003c")
    return "".join([
        element("style", Markup("#first-screen:not([hidden]) ~ #root { visibility: hidden }")),
        element("div", inside, id="first-screen", hidden="", lang=i18n.language(), data_language=i18n.language(),
                **attributes),
        element("script", Markup(drawn), type="application/json", id="first-screen-curve"),
        element("script", Markup(curve_assets.script_of_first_screen())),
    ])  # fmt: skip


def _screen(shown: View) -> list[Markup]:
    """The curve, and room for what Streamlit will put around it."""
    tiles, knobs, chart = (Markup(curve_assets.part(name)) for name in curve_assets.PARTS)
    buttons = "room two" if shown.model == view.NEWCOMERS else "room"  # rows of them on a phone
    line = element(
        "div", element("h1", _("Explore")), element("p", _question(heading.name(shown.model))),
        element("div", class_=buttons), class_="line",
    )  # fmt: skip
    actions = element("div", *[element("i")] * 3, class_="actions")
    left = element("div", element("div", class_="goals"), knobs)
    right = element("div", element("div", class_="tabs"), chart)
    screen = element(
        "main", line, element("div", tiles, actions, class_="strip"),
        element("p", _("The rest of the page is on its way."), class_="coming"),
        element("div", left, right, class_="panes"), class_="first themed",
    )  # fmt: skip
    return [element("style", Markup(curve_assets.style_of_first_screen())), screen]


def _question(name: str) -> Markup:
    """The sentence of the heading, whose markdown is bold words and coloured ones."""
    words = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(heading.question()))
    words = re.sub(r":(orange|blue|gray)\[(.+?)\]", r'<span class="\1">\2</span>', words)
    return Markup(words.format(model=escape(name)))
