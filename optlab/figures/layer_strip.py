"""A recipe as a strip: one cell for each layer, darker with more bits, with the share of zeros below; no chart, because
it stands beside the knobs and is drawn at every change."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from optlab.figures import style
from optlab.i18n import _, said
from optlab.models.describe import Description
from optlab.prediction.layer_values import BITS, ZEROS
from optlab.recipes import Recipe, Step

LEAST, MOST = 2, 8
"""Bits at which a cell is faintest and darkest; what is not quantized is grey."""
CELL = "flex:1 1 0;min-width:2px;height:26px;border-radius:2px;position:relative;overflow:hidden"


def html(recipe: Recipe, description: Description) -> str:
    """The strip, with what each cell says on hover. Layers that no step names are the original's."""
    names = [name for name, _shape in description.linears]
    quantized, pruned = (_last(recipe, names, kind) for kind in ("quantize", "prune"))
    cells = "".join(_cell(name, quantized.get(name), pruned.get(name)) for name in names)
    label = escape(_("Bits and zeros of {count} layers").format(count=len(names)))
    return f'<div role="img" aria-label="{label}" style="display:flex;gap:1px">{cells}</div>'


def _last(recipe: Recipe, names: Sequence[str], kind: str) -> dict[str, Step]:
    """Layer -> the last step of a kind that treats it."""
    steps = [step for step in recipe.steps if step.kind == kind]
    return {name: step for step in steps for name in names if not step.layers or step.matches(name)}


def _cell(name: str, quantized: Step | None, pruned: Step | None) -> str:
    words = [name, said(quantized.describe()) if quantized else _("not quantized")]
    if pruned:
        words.append(said(pruned.describe()))
    colour, share = (style.MEASURED, _depth(quantized)) if quantized else (style.BASE, 0.45)
    zeros = float(pruned.values.get(ZEROS.key) or 0.0) if pruned else 0.0
    bar = f'<i style="position:absolute;inset:auto 0 0 0;height:{zeros:.0%};background:rgba(0,0,0,.35)"></i>'
    ground = f"background:color-mix(in srgb, {colour} {share:.0%}, transparent)"
    return f'<span title="{escape(_(", ").join(words))}" style="{CELL};{ground}">{bar if zeros else ""}</span>'


def _depth(quantized: Step) -> float:
    """How dark a cell is, from faint to full; a format without a number of bits lies between."""
    bits = float(quantized.values.get(BITS.key) or (LEAST + MOST) / 2)
    return 0.25 + 0.75 * min(max((bits - LEAST) / (MOST - LEAST), 0.0), 1.0)
