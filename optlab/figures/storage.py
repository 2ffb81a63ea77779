"""Bytes against the share of zeros, in every form of storage: what half of the weights being zero really saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from optlab.figures import style
from optlab.formats.sparse.sizes import FINE, FORMS
from optlab.formats.sparse.totals import crossings, totals
from optlab.i18n import _
from optlab.models.describe import Description
from optlab.recipes import Recipe, Step
from optlab.results.measurement import LayerReport

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

UNITS = ("heads", "neurons", "layers")
"""Patterns that take whole rows and columns, and leave no zeros."""
BITS = {"F32": 32, "F64": 64}
SHARES = tuple(i / 100 for i in range(100))


def pruning(recipe: Recipe) -> Step | None:
    """The last pruning step of a recipe."""
    return next((step for step in reversed(recipe.steps) if step.kind == "prune"), None)


def offered_bits(recipe: Recipe, description: Description) -> list[int]:
    """Bits of the numbers that stay: the checkpoint's, and those that the recipe quantizes to."""
    found = [BITS.get(description.dtype, 16)]
    found += [
        int(str(step.values["bits"])) for step in recipe.steps if step.kind != "cache" and step.values.get("bits")
    ]
    return list(dict.fromkeys(found))


def treated(step: Step, description: Description) -> dict[str, tuple[int, int]]:
    """Name -> shape of the matrices that a step prunes."""
    if step.layers:
        return {name: shape for name, shape in description.matrices if step.matches(name)}
    return dict(description.linears)


def name(form: str) -> str:
    """A form of storage as a word."""
    names = {"dense": _("dense"), "bitmask": _("bitmask and values"), "csr": _("CSR (rows of positions)")}
    return names.get(form, _("{pattern} packed").format(pattern=form))


def chart(shapes: Sequence[tuple[int, int]], bits: int, measured: tuple[float, float] | None = None) -> Figure:
    """shapes: (out, in) of all weights that are pruned. bits: of a number that stays. measured: (share of zeros, bytes)
    of a file that was written."""
    figure = style.figure(height=360)
    table = [totals(shapes, share, bits) for share in SHARES]
    for place, form in enumerate(FORMS):
        points = [(share, row[form] / 1e6) for share, row in zip(SHARES, table, strict=True) if form in row]
        if not points:
            continue
        figure.add_scatter(
            x=[x for x, _y in points], y=[y for _x, y in points], name=name(form), mode="lines",
            line={"color": style.BASE if form == "dense" else style.category(place),
                  "dash": "dot" if form in FINE else "solid"},
            hovertemplate="%{x:.0%}: %{y:.4g} MB<extra>" + name(form) + "</extra>",
        )  # fmt: skip
    for one in crossings(shapes, bits):
        y = totals(shapes, one.sparsity, bits)[one.form] / 1e6
        figure.add_scatter(
            x=[one.sparsity], y=[y], mode="markers", showlegend=False,
            marker={"symbol": "diamond-open", "size": 10, "color": style.BASE, "line": {"width": 2}},
            hovertemplate=meeting(one.form, one.than, one.sparsity) + "<extra></extra>",
        )  # fmt: skip
    if measured is not None:
        figure.add_scatter(
            x=[measured[0]], y=[measured[1] / 1e6], mode="markers", name=_("this recipe's file"),
            marker={"size": 12, "color": style.MEASURED},
            hovertemplate="%{x:.1%}: %{y:.4g} MB<extra>" + _("measured") + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=_("share of zeros"), tickformat=style.PERCENT_TICKS, range=[0, 1])
    figure.update_yaxes(title_text=_("megabytes"), rangemode="tozero")
    return figure


def meeting(form: str, than: str, sparsity: float) -> str:
    """One break-even in words."""
    return _("from {share} zeros on, {form} takes less than {than}").format(
        share=f"{sparsity:.1%}", form=name(form), than=name(than)
    )


def meetings(shapes: Sequence[tuple[int, int]], bits: int) -> list[str]:
    """All break-evens in words, in the order in which a rising share of zeros meets them."""
    found = sorted(crossings(shapes, bits), key=lambda one: one.sparsity)
    return [meeting(one.form, one.than, one.sparsity) for one in found]


def written(layers: Sequence[LayerReport], shapes: Mapping[str, tuple[int, int]]) -> tuple[float, float] | None:
    """(share of zeros, bytes) of the layers in `shapes` as a measured recipe wrote them; None when it left them out."""
    known = [
        (rows * columns, layer.sparsity, layer.bits_per_weight)
        for layer in layers
        if layer.name in shapes and layer.sparsity is not None and layer.bits_per_weight is not None
        for rows, columns in [shapes[layer.name]]
    ]
    if not known:
        return None
    zeros = sum(size * share for size, share, _bits in known) / sum(size for size, _share, _bits in known)
    return zeros, sum(size * bits for size, _share, bits in known) / 8
