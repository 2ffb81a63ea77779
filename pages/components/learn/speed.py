"""Lesson 10: why zeros do not make a model faster."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import lessons_weights, speedup
from optlab.i18n import _
from optlab.lessons import speed, weights
from optlab.lessons.speed import Form, Timed
from optlab.lessons.weights import Array
from pages.components.learn import matrices
from pages.components.learn.parts import Question, chart, formula, keep

SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def title() -> str:
    return _("Why zeros do not make it faster")


def promise() -> str:
    return _("Time one product on this machine: with zeros, without them, and with rows truly removed.")


def show() -> None:
    st.markdown(
        _("A processor multiplies by zero as fast as by anything else. To gain time, zeros must not be *visited*: "
          "their places have to be stored and looked up, and looking up costs more than multiplying. Rows or whole "
          "blocks that are gone need no looking up; that is **structured** pruning.")
    )  # fmt: skip
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        name = matrices.layer(weights.load(), "learn/speed", "mlp.up_proj")
    again = right.button(_("Time it again"), icon=":material/timer:", key="learn/speed/again", width="stretch")
    share = st.select_slider(_("Zeros"), SHARES, 0.5, format_func=lambda one: f"{one:.0%}", key="learn/speed/share")
    if again:
        _timed.clear()
    W = weights.load()[name]
    with st.spinner(_("Timing the products")):
        found = _timed(name, W)
    place = SHARES.index(share)
    names = {"dense": _("zeros as numbers"), "csr": _("zeros left out (CSR)"), "smaller": _("rows removed")}
    for column, (form, label) in zip(st.columns(3), names.items(), strict=True):
        own: Form = getattr(found, form)
        column.metric(label, f"{own.microseconds[place]:.1f} µs", _against(own, place), delta_color="off",
                      delta_arrow="off")  # fmt: skip
    lines = {label: getattr(found, form).microseconds for form, label in names.items()}
    chart(lessons_weights.curves(SHARES, lines, _("zeros"), _("µs per product"), share, (".0%", ".1f")), "speed/curve")
    st.caption(
        _("A matrix of {rows} x {columns} times a vector, timed on this machine in {turns} turns with the matrix "
          "without zeros: medians, and 95% intervals of the ratio.").format(
            rows=W.shape[0], columns=W.shape[1], turns=speed.TURNS)
    )  # fmt: skip
    faster = np.flatnonzero(found.csr.low > 1)
    st.markdown(
        _("Here, leaving zeros out is measurably faster from {share} zeros on.").format(
            share=f"{SHARES[int(faster[0])]:.0%}")
        if len(faster) else _("Here, leaving zeros out is not measurably faster at any of these shares.")
    )  # fmt: skip
    formula(
        r"t_{\text{dense}}\approx\frac{m\,n\,b}{B},\qquad t_{\text{CSR}}\approx\frac{k\,(b+16)}{B}+k\,\tau",
        {"m,n": _("rows and columns"), "k": _("weights that are not zero"), "b": _("bits per weight"),
         "B": _("bits per second from memory or cache"), r"\tau": _("looking up one position")},
    )  # fmt: skip
    keep(_("Fewer numbers are only faster if the machine never meets the missing ones. Remove whole rows, heads or "
           "blocks, or use fewer bits per number."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("A dense product reads memory in one stream and uses wide vector instructions; CSR gathers single "
              "numbers "
              "of x by index. Graphics processors since 2020 have units for 2:4, which double the peak of a product "
              "(Mishra et al. 2021, arXiv 2104.08378); this processor has none. Here numpy and scipy compute; the "
              "kernels of *Explore* are timed there.")
        )  # fmt: skip


def _against(own: Form, place: int) -> str:
    """How much faster than without zeros, or that no difference can be measured, with the interval of the ratio."""
    low, high = float(own.low[place]), float(own.high[place])
    said = speedup.in_words(float(own.speedup[place]), (low, high))
    if not speedup.beyond_chance((low, high)):
        said = _("no measurable speed-up")
    return said + " " + _("(ratio {low} to {high})").format(low=f"{low:.2f}", high=f"{high:.2f}")


@st.cache_data(show_spinner=False, max_entries=16)
def _timed(name: str, _W: Array) -> Timed:
    return speed.timed(_W, SHARES)


def questions() -> list[Question]:
    return [
        Question(
            _("Half of the weights of a dense matrix are set to zero. How much faster is its product?"),
            (_("Twice"), _("Not at all"), _("A quarter")), 1,
            _("The zeros are still read and multiplied like all other numbers."),
        ),
        Question(
            _("Why is a list of positions slow at 50% zeros?"),
            (_("Every number that is left must be looked up alone"), _("It multiplies the zeros too"),
             _("It needs a graphics processor")), 0,
            _("Single look-ups replace a stream that the processor reads many numbers at a time."),
        ),
        Question(
            _("Which of these makes the product faster on every machine?"),
            (_("Removing half of the rows"), _("Setting half of the weights to zero"), _("A bitmask in the file")), 0,
            _("A smaller dense matrix is a smaller dense product, with no positions to look up."),
        ),
    ]  # fmt: skip
