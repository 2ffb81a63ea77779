"""The first thing on a report: what to do, why, and why nothing else."""

from __future__ import annotations

from optlab.advice.recommendation import Recommendation, rule
from optlab.i18n import _, sentence
from optlab.report.markup import Markup, element


def html(decided: Recommendation) -> Markup:
    """The recommendation as a box; the rule behind it is named, so that a reader can disagree with it."""
    others = [element("li", f"#{one.run} {one.title}: {why}") for one, why in decided.others]
    return element(
        "section",
        element("h2", _("Recommendation")),
        element("p", decided.headline, class_="headline"),
        element("ul", *(element("li", sentence(reason)) for reason in decided.reasons)),
        element("p", rule(), class_="muted"),
        *([element("h3", _("Not chosen")), element("ul", *others, class_="muted")] if others else []),
        class_="decision",
    )
