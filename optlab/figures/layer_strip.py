"""A recipe as a strip: one cell for each layer, darker with more bits, with the share of zeros below; no chart, because
it stands beside the knobs and is drawn at every change."""

from __future__ import annotations

from html import escape

from optlab.figures import style
from optlab.i18n import _
from optlab.models.describe import Description
from optlab.prediction.layer_values import BITS, ZEROS, values_of
from optlab.recipes import Recipe

LEAST, MOST = 2, 8
"""Bits at which a cell is faintest and darkest; what is not quantized is grey."""
CELL = "flex:1 1 0;min-width:2px;height:26px;border-radius:2px;position:relative;overflow:hidden"


def html(recipe: Recipe, description: Description) -> str:
    """The strip, with what each cell says on hover. Layers that no step names are the original's."""
    bits, zeros = (values_of(recipe, description, quantity) for quantity in (BITS, ZEROS))
    cells = "".join(_cell(name, bits[name], zeros[name]) for name in bits)
    label = escape(_("Bits and zeros of {count} layers").format(count=len(bits)))
    return f'<div role="img" aria-label="{label}" style="display:flex;gap:1px">{cells}</div>'


def _cell(name: str, bits: float, zeros: float) -> str:
    quantized = bits < BITS.untouched
    colour = style.MEASURED if quantized else style.BASE
    share = 0.25 + 0.75 * min(max((bits - LEAST) / (MOST - LEAST), 0.0), 1.0) if quantized else 0.45
    words = [name, _("{bits} bits").format(bits=f"{bits:g}") if quantized else _("not quantized")]
    if zeros:
        words.append(_("{share} zeros").format(share=f"{zeros:.0%}"))
    bar = f'<i style="position:absolute;inset:auto 0 0 0;height:{zeros:.0%};background:rgba(0,0,0,.35)"></i>'
    ground = f"background:color-mix(in srgb, {colour} {share:.0%}, transparent)"
    return f'<span title="{escape(_(", ").join(words))}" style="{CELL};{ground}">{bar if zeros else ""}</span>'
