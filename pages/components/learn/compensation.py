"""Lesson 5: GPTQ's error compensation, step by step."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.i18n import _
from optlab.lessons import compensation, moments, weights
from optlab.lessons.compensation import Rows, Steps
from pages.components.learn import matrices
from pages.components.learn.parts import Question, chart, formula, keep

COLUMNS = 32


def title() -> str:
    return _("GPTQ: the other weights compensate")


def promise() -> str:
    return _("Round a row weight by weight and watch the remaining weights move to compensate the error.")


def show() -> None:
    st.markdown(
        _("Plain rounding treats every weight alone. **GPTQ** looks at what the layer *outputs*: after rounding a "
          "weight, it moves all weights that are not rounded yet a little, so that the output of the row stays as "
          "close as possible. A calibration text tells it which ones can help: inputs that rise and fall together "
          "can stand in for each other.")
    )  # fmt: skip
    model = weights.load()
    left, right = st.columns(2)
    with left:
        name = matrices.layer(model, "learn/compensation")
        bits = st.slider(_("Bits"), 2, 4, 2, key="learn/compensation/bits")
    W = model[name]
    with st.spinner(_("nano reads a page of Shakespeare")):
        H = moments.gram(moments.of(name)[:, :COLUMNS])
    everyone = compensation.rows(W[:, :COLUMNS], H, bits)
    with right:
        row = int(st.number_input(_("Row"), 0, W.shape[0] - 1, everyone.typical, key=f"learn/compensation/row/{name}",
                                  help=_("First shown is the row whose gain is the median of the layer.")))  # fmt: skip
        step = st.slider(_("Weights rounded so far"), 0, COLUMNS, 6, key="learn/compensation/step")
    found = compensation.steps(W[row, :COLUMNS], H, bits)
    open_ = np.arange(COLUMNS) >= step
    chart(lessons_weights.on_grid(found.before, found.targets[step], found.levels, open_, _("not rounded yet, moved "
                                                                                            "to compensate")),
          "compensation/row")  # fmt: skip
    st.markdown(_said(found, step))
    formula(
        r"\delta_j=-\frac{w_i-\hat w_i}{[H^{-1}]_{ii}}\,[H^{-1}]_{ij}\quad(j>i),\qquad H=\frac1N\sum_x "
        r"x\,x^{\top}",
        {"w_i": _("the weight being rounded"), r"\hat w_i": _("its level"), r"\delta_j": _("how far weight j moves"),
         "H": _("second moments of the inputs on the text"), "x": _("the inputs at one token"), "N": _("tokens")},
    )  # fmt: skip
    lines = {_("rounding alone"): found.plain_errors, _("GPTQ"): found.errors}
    chart(
        lessons_weights.curves(np.arange(COLUMNS + 1), lines, _("weights rounded"), _("error of the output"), step,
                               ("d", ".1%")), "compensation/errors",
    )  # fmt: skip
    end, plain = float(found.errors[-1]), float(found.plain_errors[-1])
    st.caption(
        _("In the end the output of this row is off by {end} of its energy, against {plain} with rounding "
          "alone.").format(end=format.percent(end), plain=format.percent(plain))
    )  # fmt: skip
    keep(_takeaway(everyone))
    with st.expander(_("For experts")):
        st.markdown(
            _("This is one group of {count} columns, with {damping} damping, on {tokens} tokens. After every weight "
              "the inverse of $H$ loses its row and column by one step of elimination; the library walks a Cholesky "
              "factor instead, which gives the same numbers for all rows at once. A single row can come out worse: "
              "rounding may have been lucky there. Frantar et al. 2022, arXiv 2210.17323.").format(
                count=COLUMNS, damping=format.percent(compensation.DAMPING), tokens=format.amount(moments.TOKENS))
        )  # fmt: skip


def _takeaway(everyone: Rows) -> str:
    """What all rows of this layer show, as they were computed just now."""
    return _("Over all {rows} rows of this layer the error of the output is {end} with GPTQ and {plain} with rounding "
             "alone; {share} of the rows end closer. GPTQ moves single weights farther so that what the layer "
             "computes stays closer.").format(
        rows=len(everyone.errors), end=format.percent(float(everyone.errors.mean())),
        plain=format.percent(float(everyone.plain_errors.mean())), share=format.percent(everyone.better),
    )  # fmt: skip


def _said(found: Steps, step: int) -> str:
    if not step:
        return _("Nothing is rounded yet. Drag the slider and watch the diamonds.")
    last = step - 1
    wished, level = float(found.targets[last, last]), float(found.targets[step, last])
    words = _("Weight {place} had become {wished} and was rounded to {level}, an error of {error}.").format(
        place=step, wished=f"{wished:.4f}", level=f"{level:.4f}", error=f"{abs(wished - level):.4f}"
    )
    shares = np.abs(found.inverse_share[last])
    if step == COLUMNS or not shares.any():
        return words + " " + _("No weight is left to compensate it.")
    return words + " " + _("The largest correction goes to weight {other}: it moves by {share} of that error.").format(
        other=int(shares.argmax()) + 1, share=format.percent(float(shares.max()))
    )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("What does GPTQ try to keep as it was?"),
            (_("Every single weight"), _("The output of the layer"), _("The size of the file")), 1,
            _("Weights may move away from where they were, as long as what the layer computes on real inputs stays."),
        ),
        Question(
            _("Why does it need a text?"),
            (_("To train the model on"), _("To see which inputs go together"), _("To measure perplexity")), 1,
            _("The matrix H says which inputs rise and fall together; only those can make up for each other."),
        ),
        Question(
            _("All inputs of a layer have nothing to do with each other. What is left of GPTQ?"),
            (_("Plain rounding"), _("It fails"), _("It is twice as good")), 0,
            _("Then H is diagonal, its inverse too, and no other weight moves."),
        ),
    ]  # fmt: skip
