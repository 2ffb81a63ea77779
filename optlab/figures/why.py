"""Why the perplexity moved, in words, from what was measured of every layer."""

from __future__ import annotations

from optlab.figures import format
from optlab.i18n import _, plural
from optlab.results.measurement import Measurement

NAMED = 3
"""Layers that are named."""
NOTABLE = 0.02
"""Relative error of a layer's output below which nothing is worth naming."""


def sentences(result: Measurement) -> list[str]:
    """Two or three sentences; none when no layer's error is known.

    The share of a layer is its squared relative output error over the sum of those of all layers.
    """
    known = [(layer.output_error, layer.name) for layer in result.layers if layer.output_error is not None]
    total = sum(error**2 for error, _name in known)
    if not known or not total:
        return []
    worst = sorted(known, key=lambda layer: layer[0], reverse=True)
    typical = worst[len(worst) // 2][0]
    said = [
        _("Layer outputs are off by {typical} at the median, {worst} at worst.").format(
            typical=format.percent(typical), worst=format.percent(worst[0][0])
        )
    ]
    if worst[0][0] > NOTABLE and len(worst) > NAMED:
        share = sum(error**2 for error, _name in worst[:NAMED]) / total
        fair = NAMED / len(known)
        named = ", ".join(f"`{name}`" for _error, name in worst[:NAMED])
        if share > 2 * fair:
            said.append(
                _("{layers} of {count} cause {share} of the error: {names}. Give these more bits first.").format(
                    layers=NAMED,
                    count=plural("{count} layer", "{count} layers", len(known)),
                    share=format.percent(share),
                    names=named,
                )
            )
        else:
            said.append(_("The error is spread evenly over the layers."))
    said.append(
        _("Small errors add up from block to block; in the end the model predicts the same next token {share} of the "
          "time.").format(share=format.percent(result.delta.top1_agreement))
    )  # fmt: skip
    return said
