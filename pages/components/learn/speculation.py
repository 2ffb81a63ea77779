"""Lesson 13: speculative decoding, a compressed model that drafts for its original."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_model, lessons_weights
from optlab.i18n import _
from optlab.lessons import speculation, tokens, weights
from optlab.lessons.speculation import Agreement, Written
from optlab.lessons.weights import Weights
from pages.components.learn.parts import Question, chart, formula, keep

PROMPT = "ROMEO:\nBut soft, what light through yonder window breaks?\nIt is the east, and"
MOST_DRAFTED = 10
COUNT = 24
"""Tokens that are written when asked to."""
SHOWN = 10
LIT = "background:color-mix(in srgb, currentColor 16%, transparent);border-radius:3px"


def title() -> str:
    return _("Speculative decoding: the small drafts for the large")


def promise() -> str:
    return _("Let a compressed nano draft tokens, see which of them the original keeps, and find out when that pays.")


def show() -> None:
    st.markdown(
        _("A large model writes one token per pass, and a pass costs about as much for one token as for five. In "
          "**speculative decoding** a small model **drafts** a few tokens; the large one, the **target**, reads them "
          "in one pass and keeps each with just the chance that makes the text *exactly* as likely as if it had "
          "written alone. A compressed model is a good draft for its original: nothing is lost, whatever it was "
          "made of.")
    )  # fmt: skip
    text = st.text_area(_("The text that is read"), PROMPT, key="learn/speculation/prompt", height=90, max_chars=400)
    one, two, three = st.columns(3)
    bits = one.select_slider(_("Bits of the draft"), [2, 3, 4, 6, 8], 3, key="learn/speculation/bits")
    dropped = two.slider(_("Blocks removed from it"), 0, 4, 0, key="learn/speculation/dropped")
    heat = three.slider(_("Temperature"), 0.2, 2.0, 1.0, 0.1, key="learn/speculation/temperature")
    target = weights.load()
    draft, cost = _draft(target, bits, dropped)
    found = speculation.agreement(target, draft, text, heat)
    _one_place(found)
    chart(lessons_model.shares(found.tokens, found.accepted), "speculation/accepted")
    st.caption(_("At each place of the text: how often a token drafted to follow would be kept."))
    formula(
        r"\alpha_t=\sum_x\min\big(p(x),q(x)\big)=1-\tfrac12\sum_x\lvert p(x)-q(x)\rvert",
        {"p": _("the target's probabilities"), "q": _("the draft's"), r"\alpha_t": _("the chance that its token is "
                                                                                     "kept")},
    )  # fmt: skip
    _worth(found.acceptance, cost)
    _written(target, draft, text, bits, dropped, heat)
    keep(_("A draft changes nothing of what is written, only how fast: it pays when it agrees often and is much "
           "cheaper to run. More drafted tokens help only while they are kept."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("A drafted token x is kept with the chance min(1, p(x)/q(x)); the first that is not is drawn anew from "
              "max(0, p − q), normalized, so that every token is distributed as p (Leviathan et al. 2022, arXiv "
              "2211.17192, algorithm 1). The formula for tokens per pass takes the same chance everywhere and "
              "independent places; real chances vary, as the bars show, so that what is written above may differ. *All "
              "figures* of a measurement in Explore has the total variation, which is one minus the acceptance, over a "
              "whole text.")
        )  # fmt: skip


def _one_place(found: Agreement) -> None:
    place = st.slider(_("Place in the text"), 1, len(found.tokens), len(found.tokens), key="learn/speculation/place")
    p, q = found.target[place - 1], found.draft[place - 1]
    order = np.argsort(-np.maximum(p, q), kind="stable")[:SHOWN]
    spelled = tokens.spelled(weights.load(), [int(token) for token in order])
    chart(lessons_weights.pairs(spelled, p[order], q[order], (_("target"), _("draft")), _("probability")),
          "speculation/pair")  # fmt: skip
    st.caption(
        _("What both expect after “{token}”. The part of the bars that they share, over the whole vocabulary, is "
          "{share}: so often the drafted token is kept here.").format(
            token=found.tokens[place - 1], share=format.percent(float(found.accepted[place - 1])))
    )  # fmt: skip


def _worth(acceptance: float, cost: float) -> None:
    drafted = st.slider(_("Tokens drafted at a time"), 1, MOST_DRAFTED, 4, key="learn/speculation/drafted")
    one, two, three = st.columns(3)
    one.metric(_("Kept on average"), format.percent(acceptance), help=_("Over this text: α in the formula."))
    two.metric(_("Tokens per pass of the target"), f"{speculation.tokens_per_pass(acceptance, drafted):.2f}")
    three.metric(
        _("Against the target alone"), format.faster(speculation.speedup(acceptance, drafted, cost)),
        help=_("Where reading the weights is what takes time: the draft reads {share} of the target's bytes for each "
               "token, its head included.").format(share=format.percent(cost)),
    )  # fmt: skip
    every = np.arange(1, MOST_DRAFTED + 1)
    lines = {
        _("tokens per pass"): np.asarray([speculation.tokens_per_pass(acceptance, int(n)) for n in every]),
        _("times as fast"): np.asarray([speculation.speedup(acceptance, int(n), cost) for n in every]),
    }
    chart(lessons_weights.curves(every, lines, _("tokens drafted at a time"), "", drafted, ("d", ".2f")),
          "speculation/worth")  # fmt: skip
    formula(
        rf"\text{{{_('tokens per pass')}}}" r"=\frac{1-\alpha^{\gamma+1}}{1-\alpha},\qquad"
        rf"\text{{{_('times as fast')}}}" r"=\frac{1-\alpha^{\gamma+1}}{(1-\alpha)(\gamma c+1)}",
        {r"\alpha": _("how often a drafted token is kept"), r"\gamma": _("tokens drafted at a time"),
         "c": _("time of a pass of the draft over one of the target")},
    )  # fmt: skip


def _written(target: Weights, draft: Weights, text: str, bits: int, dropped: int, heat: float) -> None:
    if not st.button(_("Write on"), icon=":material/edit:", key="learn/speculation/write"):
        return
    drafted = int(st.session_state["learn/speculation/drafted"])
    found = speculation.write(target, draft, tokens.encoded(target, text, most=128), COUNT, drafted, heat, seed=0)
    st.html(_marked(target, found))
    st.caption(
        _("{count} tokens in {passes} passes of the target; the lit ones are the draft's, the others the "
          "target's own.").format(count=len(found.ids), passes=found.passes)
    )  # fmt: skip


def _marked(model: Weights, found: Written) -> str:
    pieces = tokens.spelled(model, found.ids)
    drawn = [
        f'<mark style="color:inherit;{LIT}">{escape(piece)}</mark>' if kept else f"<b>{escape(piece)}</b>"
        for piece, kept in zip(pieces, found.drafted, strict=True)
    ]
    return f'<div style="overflow-wrap:anywhere;line-height:1.9">{" ".join(drawn)}</div>'


@st.cache_resource(show_spinner=False, max_entries=4)
def _draft(_target: Weights, bits: int, dropped: int) -> tuple[Weights, float]:
    return speculation.draft(_target, bits, dropped)


def questions() -> list[Question]:
    return [
        Question(
            _("What does a bad draft do to the text?"),
            (_("It makes it worse"), _("Nothing: it only costs time"), _("It makes it shorter")), 1,
            _("What the draft gets wrong is not kept, and drawn anew from the target: the distribution is the "
              "target's."),
        ),
        Question(
            _("Target and draft give every token the same probabilities. How often is a drafted token kept?"),
            (_("Always"), _("Half of the time"), _("Never")), 0,
            _("p/q is 1 everywhere; one minus a total variation of 0 is 1."),
        ),
        Question(
            _("A draft takes as long per pass as the target. Can it make it faster?"),
            (_("Yes, if it is always kept"), _("No, never"), _("Yes, with more drafted tokens")), 1,
            _("γ passes of the draft and one of the target yield at most γ + 1 tokens, as many as γ + 1 passes of the "
              "target alone."),
        ),
    ]  # fmt: skip
