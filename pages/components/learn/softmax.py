"""Lesson 2: softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_model
from optlab.i18n import _
from optlab.lessons import next_token, weights
from pages.components.learn.parts import Question, chart, formula, keep
from pages.components.shared.services import escaped

PROMPT = "ROMEO:\nBut soft, what light through yonder"
SHOWN = 12


def title() -> str:
    return _("Softmax and cross-entropy")


def promise() -> str:
    return _("See how scores become probabilities, and how a probability becomes the loss that training minimizes.")


def show() -> None:
    st.markdown(
        _("After reading a text the model gives every token of its vocabulary a score, the **logit**. **Softmax** "
          "turns them into probabilities: all positive, together 100%. When the token that really follows is known, "
          "**cross-entropy** is the model's surprise at it.")
    )  # fmt: skip
    prompt = st.text_area(_("The text so far"), PROMPT, key="learn/softmax/prompt", height=90, max_chars=240)
    heat = st.slider(_("Temperature"), 0.2, 4.0, 1.0, 0.1, key="learn/softmax/temperature",
                     help=_("The scores are divided by it before softmax."))  # fmt: skip
    found = next_token.choices(weights.load(), prompt, heat)
    chart(
        lessons_model.choices(found.tokens[:SHOWN], found.logits[:SHOWN], found.probabilities[:SHOWN]), "softmax/bars"
    )
    st.caption(
        _("The {shown} most likely of {count} tokens; together they have {share}. ␣ is a space, ⏎ a new line, \\xe2 "
          "a byte that is only part of a character.").format(
            shown=SHOWN, count=format.amount(len(found.logits)),
            share=format.percent(float(found.probabilities[:SHOWN].sum())),
        )
    )  # fmt: skip
    formula(
        r"p_i=\frac{e^{z_i/T}}{\sum_j e^{z_j/T}}",
        {"z_i": _("score of token i"), "T": _("temperature"), "p_i": _("its probability"),
         "j": _("runs over the whole vocabulary")},
    )  # fmt: skip
    place = st.selectbox(
        _("Suppose this token follows"), range(len(found.tokens)), key="learn/softmax/target",
        format_func=lambda i: f"{i + 1}. {found.tokens[i]}",
    )  # fmt: skip
    p = float(found.probabilities[place])
    left, middle, right = st.columns(3)
    left.metric(_("Its probability"), format.percent(p))
    middle.metric(_("Loss, −ln p"), f"{next_token.cross_entropy(p):.3f}")
    right.metric(_("The same in bits"), f"{-np.log2(p):.2f}")
    chart(lessons_model.surprise(p), "softmax/surprise")
    formula(
        r"\mathcal{L}=-\ln p_y=-\frac{z_y}{T}+\ln\sum_j e^{z_j/T},\qquad"
        r"\frac{\partial\mathcal{L}}{\partial z_i}=\frac{p_i-[i=y]}{T}",
        {"y": _("the token that follows"), r"\mathcal{L}": _("the loss, in nats"), "[i=y]": _("1 for that token, else "
                                                                                              "0")},
    )  # fmt: skip
    st.markdown(
        _("Training follows this slope: it raises the score of **{token}** by {up} and lowers every other by its own "
          "probability.").format(token=escaped(found.tokens[place]), up=f"{(1 - p) / heat:.2f}")
    )  # fmt: skip
    keep(_("Loss counts only the probability of the right token: 100% costs nothing, 50% costs one bit, and every "
           "halving costs one bit more."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("Adding one number to all scores changes no probability, so the largest score is subtracted before "
              "$e^z$ to keep it in range. The entropy here is {entropy} nats of at most {most}: the loss that a "
              "perfectly calibrated model expects.").format(
                entropy=f"{found.entropy():.2f}", most=f"{np.log(len(found.logits)):.2f}")
        )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("All scores grow by 10. What happens to the probabilities?"),
            (_("Nothing"), _("They grow too"), _("The largest wins everything")), 0,
            _("Softmax sees only differences: the common factor stands above and below the fraction."),
        ),
        Question(
            _("The right token had a probability of 25%. What is the loss in bits?"),
            (_("1 bit"), _("2 bits"), _("4 bits")), 1,
            _("A quarter is two halvings of certainty, so 2 bits, or 1.386 nats."),
        ),
        Question(
            _("What does a higher temperature do?"),
            (_("It makes probabilities more alike"), _("It changes which token is likeliest"),
             _("It makes the likeliest even likelier")), 0,
            _("Dividing all scores by a larger number brings them together; their order stays."),
        ),
    ]  # fmt: skip
