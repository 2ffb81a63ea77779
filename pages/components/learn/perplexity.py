"""Lesson 3: from loss to perplexity."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_model
from optlab.i18n import _
from optlab.lessons import next_token, weights
from pages.components.learn.parts import Question, chart, formula, keep
from pages.components.shared.services import escaped

TEXTS = {
    "verse": "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer",
    "news": "The company said on Monday that profits rose by five per cent",
}


def title() -> str:
    return _("From loss to perplexity")


def promise() -> str:
    return _("Follow the model through a text, token by token, and see where its one number of quality comes from.")


def show() -> None:
    st.markdown(
        _("**Perplexity** is the figure by which this whole dashboard judges quality. It is the mean loss per token, "
          "turned back into a number of choices: a model of perplexity 50 is as unsure as somebody who rolls a die "
          "with 50 sides for every token.")
    )  # fmt: skip
    names = {"verse": _("Shakespeare, what nano learnt"), "news": _("News, which it never saw")}
    kind = st.segmented_control(
        _("Text"), list(TEXTS), default="verse", format_func=lambda one: names[one], key="learn/perplexity/kind",
        label_visibility="collapsed",
    )  # fmt: skip
    text = st.text_area(_("The text that is read"), TEXTS[kind or "verse"], height=90, max_chars=400,
                        key=f"learn/perplexity/text/{kind}")  # fmt: skip
    found = next_token.reading(weights.load(), text)
    left, middle, right = st.columns(3)
    left.metric(_("Mean loss"), f"{found.nll.mean():.3f}", help=_("Nats per token."))
    middle.metric(_("Perplexity"), f"{found.perplexity:.1f}")
    right.metric(_("Bits per character"), f"{found.bits_per_character:.2f}",
                 help=_("The same loss per character: models that cut text into other tokens can be compared."
    ))  # fmt: skip
    chart(lessons_model.reading(found.tokens, found.nll, found.running), "perplexity/reading")
    worst, best = int(found.nll.argmax()) + 1, int(found.nll.argmin()) + 1
    st.markdown(
        _("Most surprising: **{worst}** (its probability was {low}). Least: **{best}** ({high}). The most likely "
          "token was right {share} of the time.").format(
            worst=escaped(found.tokens[worst]), low=format.percent(float(np.exp(-found.nll[worst - 1]))),
            best=escaped(found.tokens[best]), high=format.percent(float(np.exp(-found.nll[best - 1]))),
            share=format.percent(float((found.rank == 1).mean())),
        )
    )  # fmt: skip
    formula(
        r"\mathrm{PPL}=\exp\!\Big(\frac1N\sum_{t=1}^{N}-\ln p(x_t\mid x_{<t})\Big)",
        {"x_t": _("token t of the text"), "x_{<t}": _("all before it"), "p": _("the probability the model gave it"),
         "N": _("how many tokens were predicted")},
    )  # fmt: skip
    keep(_("A compressed model whose mean loss is 0.01 higher has a perplexity 1% higher, whatever the text: that is "
           "why this dashboard says \"% worse\"."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("The first token is never predicted, because nothing stands before it. Real measurements read "
              "thousands of tokens in windows, and give an interval, because a text is a sample. Perplexities of two "
              "models are only comparable on the same tokens; between tokenizers compare bits per character or byte. "
              "Two compressed models are compared token by token, which leaves out the luck of the text.")
        )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("A model gives every one of 4,096 tokens the same probability. What is its perplexity?"),
            (_("1"), _("8.3"), _("4,096")), 2,
            _("It is as unsure as a die with 4,096 sides; its loss is ln 4,096 = 8.3."),
        ),
        Question(
            _("What is the smallest perplexity there can be?"),
            ("0", "1", "e"), 1,
            _("With every token certain the loss is 0, and exp 0 is 1."),
        ),
        Question(
            _("Mean loss grows from 3.00 to 3.05. By how much does perplexity grow?"),
            (_("By about 5%"), _("By 0.05"), _("By about 1.7%")), 0,
            _("exp(0.05) is 1.051. Differences of losses are ratios of perplexities."),
        ),
    ]  # fmt: skip
