"""Lesson 4: the quantization grid."""

from __future__ import annotations

import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.i18n import _
from optlab.lessons import grid
from pages.components.learn import matrices
from pages.components.learn.parts import Question, chart, formula, keep

GROUPS = (16, 32, 64, 128, 256)
CLOSE = 64


def title() -> str:
    return _("The quantization grid")


def promise() -> str:
    return _("Drag the bits and the group size over a row of real weights, and watch each weight find its level.")


def show() -> None:
    st.markdown(
        _("To quantize is to round. With b bits there are only $2^b$ levels, evenly spaced, and every weight moves "
          "to the "
          "nearest. A **group** of neighbours shares one grid: its step, the **scale**, and the code that means "
          "zero, the "
          "**zero point**. Small groups fit better and cost more, because each brings its own scale.")
    )  # fmt: skip
    model = matrices.model("learn/grid")
    left, right = st.columns(2)
    with left:
        name = matrices.layer(model, "learn/grid")
        bits = st.slider(_("Bits"), 2, 8, 3, key="learn/grid/bits")
    W = model[name]
    sizes = [size for size in GROUPS if W.shape[1] % size == 0]
    with right:
        row = st.number_input(_("Row"), 0, W.shape[0] - 1, 0, key=f"learn/grid/row/{name}")
        group = st.select_slider(_("Weights per group"), sizes, sizes[-2], key=f"learn/grid/group/{len(sizes)}")
    found = grid.rounded(W[row], bits, group)
    one, two, three = st.columns(3)
    one.metric(_("Error of the row"), format.percent(found.error), help=_("Size of the change by size of the weights."))
    two.metric(_("Bits per weight, all told"), f"{found.bits_per_weight:.2f}")
    three.metric(_("Smaller than 16 bits"), format.smaller(found.bits_per_weight / 16))
    some = slice(0, min(group, CLOSE))
    chart(lessons_weights.on_grid(found.before[some], found.after[some], found.levels[0]), "grid/row")
    st.caption(_("The first {count} weights of the row. Each line is a level of their group's grid.").format(
        count=some.stop))  # fmt: skip
    formula(
        r"q=\operatorname{clip}\!\Big(\operatorname{round}\frac{w}{s}+z,\;0,\;2^b-1\Big),\qquad \hat w=s\,(q-z),"
        r"\qquad s=\frac{w_{\max}-w_{\min}}{2^b-1}",
        {"w": _("a weight"), "q": _("its code, what is stored"), "s": _("the scale of the group"),
         "z": _("the zero point of the group"), "b": _("bits"), r"\hat w": _("the weight that is computed with")},
    )  # fmt: skip
    errors = grid.error_by_size(W[row], bits, GROUPS)
    chart(lessons_weights.bars({str(size): error for size, error in errors.items()}, _("error"), str(group)),
          "grid/groups")  # fmt: skip
    st.caption(_("The same row at {bits} bits with other group sizes.").format(bits=bits))
    keep(_("Every bit less doubles the error; every halving of the group lowers it a little and costs some more bits. "
           "That is the whole trade."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("Rounding to a step $s$ has an error of about $s^2/12$ if weights fall evenly between levels. A scale "
              "takes {scale} bits and a zero point {zero}, so a weight costs $b + {both}/g$ bits in groups of g. The "
              "range "
              "always holds 0, so that a pruned weight stays exactly 0. Scales are rounded to float16 before a code is "
              "chosen: what is evaluated is what is stored.").format(
                scale=grid.SCALE_BITS, zero=grid.ZERO_BITS, both=grid.SCALE_BITS + grid.ZERO_BITS)
        )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("How many different values can a weight of one group have at 3 bits?"),
            ("3", "6", "8"), 2,
            _("Two to the power of three: eight levels."),
        ),
        Question(
            _("A group of 32 stores 24 bits for its scale and zero point. What does a 4-bit weight cost in all?"),
            (_("4 bits"), _("4.75 bits"), _("5.5 bits")), 1,
            _("24 bits shared by 32 weights are 0.75 bits each."),
        ),
        Question(
            _("Why do smaller groups have less error?"),
            (_("Their range is narrower, so the levels lie closer"), _("They have more levels"),
             _("They leave out large weights")), 0,
            _("The number of levels stays; the distance from smallest to largest weight of a group shrinks."),
        ),
    ]  # fmt: skip
