"""Lesson 8: magnitude, Wanda and SparseGPT on one matrix."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.i18n import _
from optlab.lessons import moments, pruning, weights
from optlab.lessons.weights import Array
from pages.components.learn import matrices
from pages.components.learn.parts import Question, chart, formula, keep

SHARES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
CELLS = 48


def title() -> str:
    return _("Three ways to choose what goes")


def promise() -> str:
    return _("Prune one real matrix by magnitude, Wanda and SparseGPT, and compare the zeros and the damage.")


def show() -> None:
    st.markdown(
        _("To **prune** is to set weights to zero. *Magnitude* removes the smallest. *Wanda* first multiplies each "
          "weight by how large its input is: a small weight on a large input matters. *SparseGPT* also lets the "
          "weights that stay compensate for those that went, as GPTQ does.")
    )  # fmt: skip
    model = weights.load()
    left, right = st.columns(2)
    with left:
        name = matrices.layer(model, "learn/pruning", "self_attn.o_proj")
    share = right.slider(_("Weights set to zero"), 10, 90, 50, 10, format="%d%%", key="learn/pruning/share") / 100
    with st.spinner(_("nano reads a page of Shakespeare")):
        H = moments.gram(moments.of(name))
    W = model[name]
    found = {method: pruning.pruned(W, H, method, share) for method in pruning.METHODS}
    names = {"magnitude": _("Magnitude"), "wanda": "Wanda", "sparsegpt": "SparseGPT"}
    for column, (method, result) in zip(st.columns(3), found.items(), strict=True):
        with column:
            st.metric(names[method], format.percent(result.error), help=_("Error of the layer's output."))
            chart(lessons_weights.zeros(result.zeros[:CELLS, :CELLS]), f"pruning/{method}")
    st.caption(
        _("Blue is a zero, in the first {cells} rows and columns. Stripes under Wanda are small inputs, which every "
          "row gives up. Magnitude and Wanda agree on {agree} of their zeros, Wanda and SparseGPT on {other}.").format(
            cells=CELLS, agree=format.percent(pruning.agreement(found["magnitude"].zeros, found["wanda"].zeros)),
            other=format.percent(pruning.agreement(found["wanda"].zeros, found["sparsegpt"].zeros)))
    )  # fmt: skip
    formula(
        r"\text{magnitude: }|w_{ij}|\qquad\text{Wanda: }|w_{ij}|\,\lVert x_j\rVert\qquad"
        r"\text{SparseGPT: }\frac{w_{ij}^2}{[H^{-1}]_{jj}}",
        {"w_{ij}": _("the weight from input j to output i"), r"\lVert x_j\rVert": _("how large input j is on the text"),
         "H": _("second moments of the inputs"), r"[H^{-1}]_{jj}": _("large when others can stand in for input j")},
    )  # fmt: skip
    chart(
        lessons_weights.curves(SHARES, {names[method]: line for method, line in _errors(name, W, H).items()},
                               _("weights set to zero"), _("error of the output"), share, (".0%", ".2~%"), log="y"),
        "pruning/curve",
    )  # fmt: skip
    keep(_("The smallest weights are not the least important ones. What counts is what a weight is multiplied with, "
           "and "
           "whether another can take over."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("Error: mean square of the change of the outputs over that of the outputs, on the {tokens} tokens that "
              "also "
              "chose the zeros, which flatters SparseGPT a little. Wanda compares within a row, magnitude within the "
              "layer. Lowest error of one layer is not yet lowest perplexity: later layers may mend or magnify it. Han "
              "et al. 1506.02626, Sun et al. 2306.11695, Frantar and Alistarh 2301.00774.").format(
                tokens=format.amount(moments.TOKENS))
        )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=64)
def _errors(name: str, _W: Array, _H: Array) -> dict[str, Array]:
    return {
        method: np.asarray([pruning.pruned(_W, _H, method, share).error for share in SHARES])
        for method in pruning.METHODS
    }


def questions() -> list[Question]:
    return [
        Question(
            _("Which weight does Wanda remove first?"),
            (_("0.5 on an input of size 0.1"), _("0.1 on an input of size 1"),
             _("0.2 on an input of size 2")), 0,
            _("Its score is 0.05; the others have 0.1 and 0.4. Magnitude alone would have removed the second."),
        ),
        Question(
            _("What does SparseGPT do that Wanda does not?"),
            (_("It changes the weights that stay"), _("It reads a text"), _("It removes whole rows")), 0,
            _("Both read a text. Only SparseGPT moves what is left, so that the output changes less."),
        ),
        Question(
            _("How much memory does a matrix save when half of its weights are set to zero and nothing else is done?"),
            (_("Half"), _("None"), _("A quarter")), 1,
            _("A zero is stored as a number like any other. The next lesson is about leaving zeros out of the file."),
        ),
    ]  # fmt: skip
