"""Lesson 12: scales that have scales, K-quants and NVFP4."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.i18n import _
from optlab.lessons import grid, microscaling, super_blocks, weights
from optlab.lessons.super_blocks import SUPER
from optlab.lessons.weights import Array, Weights
from pages.components.learn import matrices
from pages.components.learn.parts import Question, chart, formula, keep

FLAT = {"4 / 32": (4, 32), "4 / 128": (4, 128), "3 / 64": (3, 64), "2 / 64": (2, 64)}
"""Bits and group size of grids of lesson 4, to compare with."""


def title() -> str:
    return _("Scales of scales: K-quants and NVFP4")


def promise() -> str:
    return _("Look inside Q4_K_M files and Blackwell's four bits, and see what a scale costs when it is quantized too.")


def show() -> None:
    st.markdown(
        _("Small groups fit better, but 16 bits for each scale make them dear. So the formats that people ship "
          "quantize the scales as well. **K-quants** of llama.cpp keep a few bits for the scale of each block and one "
          "float16 for a super-block of 256 weights. **MXFP4** and **NVFP4** keep a scale of eight bits for each "
          "block, and their codes are tiny floating-point numbers whose levels are not evenly spaced.")
    )  # fmt: skip
    model = weights.load()
    left, right = st.columns(2)
    with left:
        name = matrices.layer(model, "learn/scales", multiple=SUPER)
    names = [*super_blocks.FORMATS, *microscaling.BLOCK]
    with right:
        chosen = st.pills(_("Format"), names, default="Q4_K", key="learn/scales/format", wrap=True) or "Q4_K"
    W = model[name]
    row = st.number_input(_("Row"), 0, W.shape[0] - 1, 0, key=f"learn/scales/row/{name}", width=200)
    (_super_block if chosen in super_blocks.FORMATS else _float_block)(W, row, chosen)
    found = _errors(model, name)
    cost, error = found[chosen]
    one, two, three = st.columns(3)
    one.metric(_("Bits per weight, all told"), f"{cost:.2f}")
    two.metric(_("Error of the matrix"), format.percent(error), help=_("Size of the change by size of the weights."))
    three.metric(_("Smaller than 16 bits"), format.smaller(cost / 16))
    flat = {f"{bits} / {group}": _flat(W, bits, group) for bits, group in FLAT.values()}
    chart(lessons_weights.costs({_("this format"): {chosen: found[chosen]},
                                 _("other formats"): {one: found[one] for one in names if one != chosen},
                                 _("plain groups, bits / size"): flat}), "scales/costs")  # fmt: skip
    st.caption(_("The whole matrix in each format. Lower is closer to the original, further left is smaller."))
    keep(_("A scale of six bits serves a block as well as one of sixteen, and what it saves pays for smaller blocks: "
           "compare by bits per weight, not by the number in a format's name."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("Q4_K_M is a mixture: most tensors are Q4_K, some of the sensitive ones Q6_K. llama.cpp also searches "
              "the scale of each block and may weigh the error by an importance matrix; here the scale takes the "
              "block's range, so that its files are a little better than this picture. Rows that are no multiple of "
              "256, such "
              "as the input of nano's last feed-forward matrix, fall back to plain formats. NVFP4 has one float32 for "
              "the whole matrix, which takes its largest weight to 448 times 6 (NVIDIA 2025, arXiv 2509.25149); "
              "MXFP4's scales are powers of two (Rouhani et al. 2023, arXiv 2310.10537).")
        )  # fmt: skip


def _super_block(W: Array, row: int, name: str) -> None:
    found = super_blocks.rounded(W[row, :SUPER], name)
    size = found.format.block
    chart(lessons_weights.on_grid(found.before[:size], found.after[:size], found.levels[0, 0]), "scales/row")
    told = _("The first block of the row: {count} weights. Its scale is {scale} × {unit}").format(
        count=size, scale=int(found.scales[0, 0]), unit=f"{float(found.d[0]):.3g}")  # fmt: skip
    if found.minima is not None and found.d_min is not None:
        told += _(", its minimum −{minimum} × {unit}").format(
            minimum=int(found.minima[0, 0]), unit=f"{float(found.d_min[0]):.3g}")  # fmt: skip
    st.caption(told + _("; all {blocks} blocks of the super-block share these units.").format(blocks=SUPER // size))
    if found.format.minimum:
        formula(
            r"\hat w=d\,s\,q-d_{\min}\,m,\qquad B=b+\frac{2\,c}{g}+\frac{2\cdot 16}{256}",
            {"q": _("the code of a weight, b bits"), "s,m": _("scale and minimum of its block, c bits each"),
             "d,d_{\\min}": _("one float16 each for 256 weights"), "g": _("weights per block"),
             "B": _("bits per weight, all told")},
        )  # fmt: skip
    else:
        formula(
            r"\hat w=d\,s\,(q-2^{b-1}),\qquad B=b+\frac{c}{g}+\frac{16}{256}",
            {"q": _("the code of a weight, b bits"), "s": _("scale of its block, c bits"),
             "d": _("one float16 for 256 weights"), "g": _("weights per block"), "B": _("bits per weight, all told")},
        )  # fmt: skip


def _float_block(W: Array, row: int, name: str) -> None:
    found = microscaling.rounded(W[row], name, microscaling.factor(W))
    size = microscaling.BLOCK[name]
    chart(lessons_weights.on_grid(found.before[:size], found.after[:size], found.levels[0]), "scales/row")
    st.caption(
        _("The first block of the row: {count} weights, scale {scale}. The levels are denser near zero, where most "
          "weights are.").format(count=size, scale=f"{float(found.scales[0]) * found.whole:.3g}")
    )  # fmt: skip
    formula(
        r"\hat w=D\,s\,f,\qquad f\in\{0,\pm\tfrac12,\pm1,\pm\tfrac32,\pm2,\pm3,\pm4,\pm6\},\qquad "
        r"B=4+\frac{8}{g}",
        {"f": _("the code of a weight: sign, two exponent bits, one mantissa bit"),
         "s": _("scale of its block, 8 bits"), "D": _("one float32 for the matrix; 1 in MXFP4"),
         "g": _("weights per block"), "B": _("bits per weight, all told")},
    )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=64)
def _errors(_model: Weights, name: str) -> dict[str, tuple[float, float]]:
    """Bits per weight and relative error of the matrix `name` in each format."""
    W = _model[name]
    found = {}
    for one, shape in super_blocks.FORMATS.items():
        found[one] = shape.bits_per_weight, _error(W, super_blocks.matrix(W, one))
    for one in microscaling.BLOCK:
        found[one] = microscaling.bits_per_weight(one), _error(W, microscaling.matrix(W, one))
    return found


def _flat(W: Array, bits: int, group: int) -> tuple[float, float]:
    found = grid.rounded(W.reshape(-1), bits, group)
    return found.bits_per_weight, found.error


def _error(W: Array, after: Array) -> float:
    return float(np.sqrt(np.square(after - W).mean() / np.square(W).mean()))


def questions() -> list[Question]:
    return [
        Question(
            _("Q4_K keeps 6 bits of scale and 6 of minimum for 32 weights, and 32 bits for 256. What does a weight "
              "cost?"),
            (_("4 bits"), _("4.5 bits"), _("5 bits")), 1,
            _("4 + 12/32 + 32/256 = 4.5."),
        ),
        Question(
            _("Why may NVFP4 use blocks of only 16 weights?"),
            (_("Its scales have 8 bits instead of 16"), _("It has no scales"), _("It stores 2 bits per weight")), 0,
            _("8 bits shared by 16 weights are half a bit each; with float16 scales it would be a whole one."),
        ),
        Question(
            _("What is different about the levels of FP4?"),
            (_("They lie closer together near zero"), _("They are evenly spaced"), _("There are 256 of them")), 0,
            _("0, ½, 1, 1½, 2, 3, 4, 6: floating-point numbers are dense where they are small, as weights are."),
        ),
    ]  # fmt: skip
