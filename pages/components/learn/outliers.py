"""Lesson 6: why outliers hurt."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.i18n import _
from optlab.lessons import grid, moments, weights
from pages.components.learn import matrices
from pages.components.learn.parts import Question, chart, formula, keep

GROUPS = (32, 64, 256)
FACTORS = np.arange(1.0, 20.5, 1.0)


def title() -> str:
    return _("Why outliers hurt")


def promise() -> str:
    return _("Make one weight large and see how it takes the levels away from all its neighbours.")


def show() -> None:
    st.markdown(
        _("A grid must reach its largest weight. One **outlier** stretches it, the levels move apart, and all the "
          "small "
          "weights between them lose their differences: many fall to zero together.")
    )  # fmt: skip
    model = weights.load()
    name = "model.layers.2.self_attn.q_proj"
    row = model[name][0, :256]
    place = int(np.abs(row[:32]).argmax())
    left, middle, right = st.columns(3)
    bits = left.slider(_("Bits"), 2, 8, 4, key="learn/outliers/bits")
    factor = middle.slider(_("Times the largest weight"), 1.0, 20.0, 6.0, 1.0, key="learn/outliers/factor")
    group = right.select_slider(_("Weights per group"), GROUPS, 64, key="learn/outliers/group")
    found = grid.rounded(grid.grown(row, place, factor), bits, group)
    some = slice(0, min(group, 64))
    chart(lessons_weights.on_grid(found.before[some], found.after[some], found.levels[0]), "outliers/row")
    others = np.arange(len(row)) != place
    used = len(np.unique(found.codes[:group][others[:group]]))
    st.markdown(
        _("Weight {place} is now {factor} times the largest of its row. The other {count} weights of its group share "
          "{used} of {levels} levels.").format(
            place=place + 1, factor=f"{factor:.0f}", count=group - 1, used=used, levels=1 << bits)
    )  # fmt: skip
    curve = grid.outlier(row, place, bits, GROUPS, FACTORS)
    lines = {_("groups of {size}").format(size=size): errors for size, errors in curve.errors.items()}
    chart(lessons_weights.curves(FACTORS, lines, _("outlier, times the largest weight"),
                                 _("error of all others"), factor, (".0f", ".0%")), "outliers/curve")  # fmt: skip
    formula(
        rf"\text{{{_('error')}}}" r"\approx\frac{s}{\sqrt{12}},\qquad s=\frac{w_{\max}-w_{\min}}{2^b-1}",
        {"s": _("the step, which the outlier makes larger"), "b": _("bits"),
         r"w_{\max},w_{\min}": _("the largest and the smallest of a group")},
    )  # fmt: skip
    st.markdown(
        _(
            "**Outliers are real in the activations, the numbers that flow through the model.** Some channels "
            "are always large:"
        )
    )
    with st.spinner(_("nano reads a page of Shakespeare")):
        layer = matrices.layer(model, "learn/outliers", "mlp.down_proj")
        loudest = np.sort(np.abs(moments.of(layer)).max(0))[::-1]
    chart(lessons_weights.curves(np.arange(1, len(loudest) + 1), {matrices.spoken(layer): loudest},
                                 _("channel, the largest first"), _("largest value seen"), None, ("d", ".2f")),
          "outliers/channels")  # fmt: skip
    st.caption(
        _("The largest channel reaches {ratio} times the median one. With one scale for all of them, 8 bits leave "
          "the median channel {levels} levels on either side of 0.").format(
            ratio=f"{loudest[0] / np.median(loudest):.1f}", levels=int(127 * np.median(loudest) / loudest[0]))
    )  # fmt: skip
    keep(_("Small groups confine an outlier. Other cures: clip the range, move the scale from activations into "
           "weights (SmoothQuant, AWQ), or spend more bits on the layer that has them."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("When a tenth of the levels is enough for the other weights, an outlier costs them $\\log_2 10 = 3.3$ "
              "bits. "
              "The error stops growing once all others round to zero: it cannot be larger than they are, so it ends "
              "near "
              "{most}. Large models have activations a hundred times louder than their neighbours (Dettmers et al. "
              "2022, "
              "arXiv 2208.07339); SmoothQuant (2211.10438) and AWQ (2306.00978) scale channels so that the product "
              "stays "
              "the same.").format(most=format.percent(1.0))
        )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("One weight of a group becomes ten times as large as all others. What happens to the step?"),
            (_("It grows about tenfold"), _("It stays"), _("It shrinks")), 0,
            _("The same number of levels has to cover about ten times the range."),
        ),
        Question(
            _("Why do small groups help?"),
            (_("They remove the outlier"), _("Only the few neighbours in its own group suffer"),
             _("They have more bits")), 1,
            _("Every other group keeps its own narrow grid. The price is one more scale per group."),
        ),
        Question(
            _("What does clipping the range do?"),
            (_("The outlier is wrong, and the many others are finer"), _("Nothing"),
             _("It stores the outlier apart")), 0,
            _("A narrower grid spends one weight's precision on that of the many. Often the sum of errors falls."),
        ),
    ]  # fmt: skip
