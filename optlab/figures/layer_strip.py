"""A recipe as a strip: one cell for each layer, darker with more bits, with the share of zeros below; no chart, because
it stands beside the knobs and is drawn at every change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from optlab.figures import style
from optlab.i18n import _, plural, said
from optlab.models.describe import Description
from optlab.prediction.layer_values import BITS, ZEROS, average, offered, values_of
from optlab.recipes import Recipe, Step
from optlab.results.measurement import LayerReport

LEAST, MOST = 2, 8
"""Bits at which a cell is faintest and darkest; what is not quantized is grey."""
CELL = "flex:1 1 0;min-width:2px;height:26px;border-radius:2px;position:relative;overflow:hidden"


def html(recipe: Recipe, description: Description) -> str:
    """The strip, with what each cell says on hover. Layers that no step names are the original's."""
    names = [name for name, _shape in description.linears]
    quantized, pruned = (_last(recipe, names, kind) for kind in ("quantize", "prune"))
    return _strip([_asked(name, quantized.get(name), pruned.get(name)) for name in names])


def caption(recipe: Recipe, description: Description) -> str:
    """What the strip of `recipe` shows, in a sentence."""
    if offered(recipe, BITS) is None:
        return said(recipe.describe())
    bits = average(description, values_of(recipe, description, BITS))
    return _("Bits per layer: {bits:.2f} bits per weight on average, without scales.").format(bits=bits)


def of_layers(layers: Iterable[LayerReport]) -> str:
    """The strip of what was stored: bits per weight with scales and indices, and the zeros that were counted."""
    return _strip([_stored(layer) for layer in layers])


def _strip(cells: Sequence[str]) -> str:
    label = escape(plural("Bits and zeros of {count} layer", "Bits and zeros of {count} layers", len(cells)))
    return f'<div role="img" aria-label="{label}" style="display:flex;gap:1px">{"".join(cells)}</div>'


def _last(recipe: Recipe, names: Sequence[str], kind: str) -> dict[str, Step]:
    """Layer -> the last step of a kind that treats it."""
    steps = [step for step in recipe.steps if step.kind == kind]
    return {name: step for step in steps for name in names if not step.layers or step.matches(name)}


def _asked(name: str, quantized: Step | None, pruned: Step | None) -> str:
    words = [name, said(quantized.describe()) if quantized else _("not quantized")]
    if pruned:
        words.append(said(pruned.describe()))
    # a format without a number of bits lies between
    bits = float(quantized.values.get(BITS.key) or (LEAST + MOST) / 2) if quantized else None
    return _cell(words, bits, float(pruned.values.get(ZEROS.key) or 0.0) if pruned else 0.0)


def _stored(layer: LayerReport) -> str:
    bits, zeros = layer.bits_per_weight, layer.sparsity or 0.0
    words = [layer.name, _("not quantized") if bits is None else _("{bits} bits").format(bits=f"{bits:.3g}")]
    return _cell([*words, _("{share} zeros").format(share=f"{zeros:.0%}")], bits, zeros)


def _cell(words: Sequence[str], bits: float | None, zeros: float) -> str:
    """words: said on hover. bits: None, or as many as the original has, is grey."""
    quantized = bits is not None and bits < BITS.untouched
    colour = style.MEASURED if quantized else style.BASE
    share = 0.25 + 0.75 * min(max(((bits or 0) - LEAST) / (MOST - LEAST), 0.0), 1.0) if quantized else 0.45
    bar = f'<i style="position:absolute;inset:auto 0 0 0;height:{zeros:.0%};background:rgba(0,0,0,.35)"></i>'
    ground = f"background:color-mix(in srgb, {colour} {share:.0%}, transparent)"
    return f'<span title="{escape(_(", ").join(words))}" style="{CELL};{ground}">{bar if zeros else ""}</span>'
