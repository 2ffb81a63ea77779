"""Why the perplexity moved, in words, from what was measured of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optlab.figures import format
from optlab.i18n import _, plural

NAMED = 3
"""Layers that are named."""
NOTABLE = 0.02
"""Relative error of a layer's output below which nothing is worth naming."""


def sentences(result: Mapping[str, Any]) -> list[str]:
    """Two or three sentences; none when no layer's error is known.

    The share of a layer is its squared relative output error over the sum of those of all layers.
    """
    known = [layer for layer in result.get("layers") or [] if layer.get("output_error") is not None]
    total = sum(layer["output_error"] ** 2 for layer in known)
    if not known or not total:
        return []
    worst = sorted(known, key=lambda layer: layer["output_error"], reverse=True)
    typical = worst[len(worst) // 2]["output_error"]
    said = [
        _("A typical layer's output is {typical} off, the worst {worst}.").format(
            typical=format.percent(typical), worst=format.percent(worst[0]["output_error"])
        )
    ]
    if worst[0]["output_error"] > NOTABLE and len(worst) > NAMED:
        share = sum(layer["output_error"] ** 2 for layer in worst[:NAMED]) / total
        fair = NAMED / len(known)
        named = ", ".join(f"`{layer['name']}`" for layer in worst[:NAMED])
        if share > 2 * fair:
            said.append(
                _(
                    "{layers} of {count} make {share} of the squared error: {names}. Giving them more bits pays first."
                ).format(
                    layers=NAMED,
                    count=plural("{count} layer", "{count} layers", len(known)),
                    share=format.percent(share),
                    names=named,
                )
            )
        else:
            said.append(_("The error is spread evenly: no few layers carry it, so all need the same care."))
    agreement = (result.get("delta") or {}).get("top1_agreement")
    if agreement is not None:
        said.append(
            _("Small errors add up from block to block; in the end the model names the same next word in {share} of "
              "all places.").format(share=format.percent(agreement))
        )  # fmt: skip
    return said
