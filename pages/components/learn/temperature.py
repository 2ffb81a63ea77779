"""Lesson 7: distillation temperature."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import lessons_weights
from optlab.i18n import _
from optlab.lessons import temperature, weights
from optlab.lessons.weights import Weights
from pages.components.learn.parts import Question, chart, formula, keep

PROMPT = "ROMEO:\nBut soft, what light through yonder"
HEATS = np.round(np.geomspace(0.5, 16.0, 21), 3)


def title() -> str:
    return _("Distillation and its temperature")


def promise() -> str:
    return _("A damaged student learns from its teacher; raise the temperature to see more than the best answer.")


def show() -> None:
    st.markdown(
        _("In **distillation** a small or damaged model, the student, learns to predict like a large one, the "
          "teacher. It learns from all the teacher's probabilities, not only from the right token: that *sky* was "
          "nearly right and *spoon* was not is worth knowing. **Temperature** flattens both before they are "
          "compared, so that small probabilities count too.")
    )  # fmt: skip
    prompt = st.text_area(_("The text so far"), PROMPT, key="learn/temperature/prompt", height=90, max_chars=240)
    left, right = st.columns(2)
    heat = left.slider(_("Temperature"), 0.5, 8.0, 2.0, 0.5, key="learn/temperature/heat")
    bits = right.segmented_control(_("Student: nano at"), [2, 3, 4], default=2, key="learn/temperature/bits",
                                   format_func=lambda bits: _("{bits} bits").format(bits=bits))  # fmt: skip
    teacher = weights.load()
    found = temperature.pair(teacher, _student(teacher, bits or 2), prompt)
    shown = len(found.tokens)
    chart(
        lessons_weights.pairs(
            found.tokens, temperature.softened(found.teacher, heat)[:shown],
            temperature.softened(found.student, heat)[:shown], (_("teacher"), _("student")), _("probability"),
        ), "temperature/bars",
    )  # fmt: skip
    now = temperature.divergences(found, heat)
    one, two, three = st.columns(3)
    one.metric(_("Distance teacher to student"), f"{now['forward']:.4f}", help=_("T² KL(teacher ‖ student), in nats."))
    two.metric(_("Distance student to teacher"), f"{now['reverse']:.4f}", help=_("T² KL(student ‖ teacher), in nats."))
    three.metric(_("Teacher's uncertainty"), f"{now['entropy']:.2f}", help=_("Entropy, in nats."))
    formula(
        r"\mathcal{L}=T^2\sum_i p_i^{T}\,\ln\frac{p_i^{T}}{q_i^{T}},\qquad p^{T}=\operatorname{softmax}(z/T)",
        {"p^T": _("the teacher's probabilities at temperature T"), "q^T": _("the student's"),
         "T^2": _("keeps the slope as large as at 1, because a high temperature shrinks it")},
    )  # fmt: skip
    every = [temperature.divergences(found, float(one)) for one in HEATS]
    lines = {
        _("teacher to student"): np.asarray([one["forward"] for one in every]),
        _("student to teacher"): np.asarray([one["reverse"] for one in every]),
        _("matching the scores"): np.full(len(HEATS), temperature.matching(found)),
    }
    chart(lessons_weights.curves(HEATS, lines, _("temperature"), _("distance"), heat, (".1f", ".3f"), log="x"),
          "temperature/curve")  # fmt: skip
    keep(
        _(
            "A low temperature learns the best answers, a high one all of them; a very high one means copying the "
            "scores themselves."
        )
    )
    with st.expander(_("For experts")):
        st.markdown(
            _("For large T both distances meet half the variance of the difference of the scores, the flat line "
              "(Hinton et "
              "al. 2015, arXiv 1503.02531, eq. 4). Forward KL makes the student cover all that the teacher thinks "
              "possible; reverse KL lets it leave things out and punishes what the teacher thinks impossible (MiniLLM, "
              "2306.08543). The student here is untrained: nano with rounded weights. Distilling it in *Explore* "
              "brings "
              "the distance down.")
        )  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=3)
def _student(_teacher: Weights, bits: int) -> Weights:
    return temperature.student(_teacher, bits)


def questions() -> list[Question]:
    return [
        Question(
            _("What can a student learn from a teacher that a text cannot tell it?"),
            (_("How likely the wrong tokens were"), _("The right token"), _("The length of the text")), 0,
            _("A text shows one token that followed. A teacher gives a probability to every token of the vocabulary."),
        ),
        Question(
            _("Temperature goes to infinity. What do the teacher's probabilities become?"),
            (_("All the same"), _("Only the best is left"), _("They do not change")), 0,
            _("All scores divided by a huge number are nearly 0, and equal scores have equal probabilities. Their "
              "tiny differences still tell the scores, which is why the loss is multiplied by T²."),
        ),
        Question(
            _("Does distillation alone make the file of a damaged model smaller?"),
            (_("Yes, by half"), _("No: it makes it better, at the same size"), _("Yes, fourfold")), 1,
            _("Distillation changes what weights say, not how they are stored. It heals a student that is smaller "
              "because "
              "it was quantized, pruned or built that way."),
        ),
    ]  # fmt: skip
