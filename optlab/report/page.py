"""One file to send: the curve under the finger without a server, for a person who is only asked to decide.

Table, script and style lie in the page, and it asks its browser to load nothing else (Content-Security-Policy). It
follows the reader's light or dark setting, and says when, of which model, on which text, and what is a prediction.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from optlab import __version__
from optlab.client.client import Client
from optlab.errors import ModelError, RecipeError
from optlab.figures import curve_assets, format
from optlab.figures.curve import Curve
from optlab.i18n import _, language, said
from optlab.jobs.resolution import title
from optlab.models.describe import Description
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report import ahead
from optlab.report.document import POLICY
from optlab.report.markup import Markup, element, joined

CSS = """
:root { color-scheme: light dark }
body { margin: 0; background: light-dark(#ffffff, #11161c); color: light-dark(#0f141b, #e6ebf0);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 1.75rem 1.1rem 3rem }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem }
p, li { max-width: 75ch }
.muted { color: light-dark(#5b6672, #9aa7b4); font-size: .92rem; margin: 0 0 1.25rem }
"""


@dataclass(frozen=True)
class About:
    """model: in words. text: that the perplexities are of. recipe: what the knobs vary, a message."""

    model: str
    text: str
    recipe: str

    @property
    def name(self) -> str:
        """For a file: letters, digits, dots and dashes."""
        return re.sub(r"[^\w.-]+", "-", self.model).strip("-.") or "model"


def of(client: Client, model: str, recipe: Recipe | None = None, protocol: Protocol | None = None) -> str:
    """The page of `model`, which was prepared. recipe: has the knobs (`optlab.knobs`) where they stand first; None
    begins at four bits of the default method. Raises ModelError, RecipeError."""
    description = client.description(model)
    if description is None:
        raise ModelError("{model} was not looked at yet; measure or probe it first", model=model)
    begin = recipe if recipe is not None else ahead.begins(description)
    begin.check_fits(description.linears, description.matrices)
    asked = client.subject(model, protocol).protocol
    drawn = ahead.around(client, description, begin, asked)
    if drawn is None:
        raise RecipeError("three knobs cannot show this recipe; use one step of each kind, with bits and sparsity")
    return html(drawn, about(description, asked, begin))


def about(description: Description, protocol: Protocol, recipe: Recipe) -> About:
    """What the page of a view is about."""
    return About(title(description.model), title(protocol.text or description.default_text), recipe.describe())


def html(curve: Curve, shown: About) -> str:
    """The page, complete."""
    heading = _("What compressing {model} costs and saves").format(model=shown.model)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Markup(f"<title>{joined([heading])}</title>"),
        element("style", Markup(CSS + curve_assets.style())),
    )
    body = element(
        "body",
        element("main", *_said(curve, shown, heading)),
        *ahead.scripts(curve),
    )
    return f'<!doctype html>\n<html lang="{language()}">{head}{body}</html>\n'


def _said(curve: Curve, shown: About, heading: str) -> list[Markup]:
    made = _("Made {when} by OptLab {version}. Perplexity on the text {text}. Recipe: {recipe}.").format(
        when=format.moment(time.time()), version=__version__, text=shown.text, recipe=said(shown.recipe)
    )
    meanings = [
        _("Orange is predicted and blue is measured; grey is the original."),
        _("The band holds 90% of the outcomes: of ten recipes that are measured, nine are expected inside their "
          "bands."),
        _("Perplexity says how surprised the model is by a text that it has not seen; lower is better."),
        _("Size is that of the weights file, worked out byte by byte. Speed is for one text at a time, on the machine "
          "where this page was made."),
        curve.record,
    ]  # fmt: skip
    return [
        element("h1", heading),
        element("p", made, class_="muted"),
        element("noscript", element("p", _("This page needs JavaScript, which lies inside of it."))),
        Markup(curve_assets.markup()),
        element("h2", _("What the figures mean")),
        element("ul", *(element("li", meaning) for meaning in meanings if meaning)),
    ]
