"""Lesson 1: how a Transformer computes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_model
from optlab.i18n import _
from optlab.lessons import attention, weights
from optlab.lessons import journey as way
from optlab.lessons.attention import Walk
from pages.components.learn import journey
from pages.components.learn.parts import Question, chart, formula, keep
from pages.components.shared.services import escaped

SENTENCE = "To be, or not to be, that is the question"


def title() -> str:
    return _("How a Transformer computes")


def promise() -> str:
    return _("Type a sentence and watch where each token looks, what each block adds, and how the prediction forms.")


def show() -> None:
    st.markdown(
        _("The model reads **tokens**: words or pieces of words. Each token is a row of numbers that travels through "
          "blocks, one after the other. In a block, **attention** lets a token collect from the tokens before it; then "
          "the **feed-forward** works on each token alone. Both only *add* to the row, which is why the row is called "
          "the residual stream. Everything below is nano, a model of 5 million weights, computing on your sentence.")
    )  # fmt: skip
    sentence = st.text_input(_("Your sentence"), SENTENCE, key="learn/attention/sentence", max_chars=240)
    st.markdown(_("Follow one token from its number to the prediction, step by step or played."))
    journey.show(way.journey(weights.load(), sentence))
    with st.expander(_("Look closer"), icon=":material/search:"):
        _closer(sentence)
    keep(_("Attention moves information between tokens, the feed-forward works on it, the residual stream carries it. "
           "Nearly all weights sit in the matrices of these two, and those are what compression makes smaller."
        ))  # fmt: skip


def _closer(sentence: str) -> None:
    """All heads and blocks of the same pass, in charts."""
    found = attention.walk(weights.load(), sentence)
    blocks, heads, length, _same = found.attention.shape
    left, middle, right = st.columns(3)
    block = left.slider(_("Block"), 1, blocks, 3, key="learn/attention/block") - 1
    head = middle.slider(_("Head"), 1, heads, 1, key="learn/attention/head") - 1
    place = right.selectbox(
        _("Token"), range(length), index=length - 1, key=f"learn/attention/token/{length}",
        format_func=lambda t: f"{t + 1}. {found.tokens[t]}",
    )  # fmt: skip
    tabs = st.tabs(
        [_("Where it looks"), _("What is added"), _("Inside the feed-forward"), _("How the prediction forms")]
    )
    with tabs[0]:
        _attention(found, block, head, place)
    with tabs[1]:
        _stream(found, place)
    with tabs[2]:
        _feed_forward(found, block, place)
    with tabs[3]:
        _guesses(found, place)


def _attention(found: Walk, block: int, head: int, place: int) -> None:
    weights_here = found.attention[block, head]
    most = int(weights_here[place].argmax())
    st.markdown(
        _("In block {block}, head {head}, **{token}** looks most at **{other}**: {share} of its attention.").format(
            block=block + 1, head=head + 1, token=escaped(found.tokens[place]), other=escaped(found.tokens[most]),
            share=format.percent(float(weights_here[place, most])),
        )
    )  # fmt: skip
    chart(lessons_model.attention(found.tokens, weights_here), "attention/map")
    st.caption(_("Each row is a token that looks, each column a token it looks at; a row sums to 100%. The upper "
                 "right is empty because no token may see what comes after it."))  # fmt: skip
    formula(
        r"A=\operatorname{softmax}\!\left(\frac{QK^{\top}}{\sqrt{d}}+M\right),\qquad \text{out}=A\,V",
        {
            "Q": _("what each token asks for"), "K": _("what each token offers"), "V": _("what it hands over"),
            "d": _("numbers per head, so that scores do not grow with it"),
            "M": _("minus infinity for later tokens, else 0"), "A": _("the picture above"),
        },
    )  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("nano has {heads} query heads that share {shared} key-value heads (grouped queries). Positions enter as "
              "rotations of $Q$ and $K$, so that a score depends on how far apart two tokens are and not on where. "
              "Tokens that fit nothing often put their attention on the first one, which serves as a place to "
              "rest.").format(heads=found.attention.shape[1], shared=weights.load().kv_heads)
        )  # fmt: skip


def _stream(found: Walk, place: int) -> None:
    first, last = float(found.stream[0, place]), float(found.stream[-1, place])
    st.markdown(
        _("The numbers of **{token}** grow from {first} to {last} on their way, because every block adds to "
          "them.").format(
            token=escaped(found.tokens[place]), first=f"{first:.2f}", last=f"{last:.2f}"
        )
    )  # fmt: skip
    chart(lessons_model.stream(found.stream[:, place], found.attention_step[:, place],
                               found.feed_forward_step[:, place]), "attention/stream")  # fmt: skip
    formula(
        r"x'=x+\operatorname{attention}(\operatorname{norm}(x)),\quad "
        r"x''=x'+\operatorname{ffn}(\operatorname{norm}(x'))"
        r",\quad\operatorname{norm}(x)=g\odot\frac{x}{\sqrt{\frac1D\sum_i x_i^2+\varepsilon}}",
        {
            "x": _("the row of one token"), "D": _("how many numbers it has"), "g": _("one learnt weight per number"),
            r"\varepsilon": _("a tiny number, so that nothing is divided by 0"),
        },
    )  # fmt: skip
    st.caption(
        _("Normalization takes the growth out before each half reads: here attention reads between {low} and {high} in "
          "all blocks, whatever the size of the stream.").format(
            low=f"{found.normed[:, place].min():.2f}", high=f"{found.normed[:, place].max():.2f}")
    )  # fmt: skip


def _feed_forward(found: Walk, block: int, place: int) -> None:
    neurons = found.neurons[block, place]
    energy = np.sort(np.square(neurons))[::-1]
    share = float(energy[: max(len(energy) // 20, 1)].sum() / energy.sum())
    st.markdown(
        _("In block {block}, the 5% most active of the {count} neurons carry {share} of the energy for "
          "**{token}**.").format(
            block=block + 1, count=len(neurons), share=format.percent(share), token=escaped(found.tokens[place])
        )
    )  # fmt: skip
    chart(lessons_model.neurons(neurons), "attention/neurons")
    formula(
        r"\operatorname{ffn}(x)=W_{\text{down}}\big(\operatorname{silu}(W_{\text{gate}}\,x)\odot W_{\text{up}}\,x\big)",
        {
            r"W_{\text{gate}},W_{\text{up}}": _("make many numbers, the neurons, out of the row"),
            r"\odot": _("multiplies number by number"), r"\operatorname{silu}": _("lets what is positive through"),
            r"W_{\text{down}}": _("brings the neurons back to the width of the row"),
        },
    )  # fmt: skip


def _guesses(found: Walk, place: int) -> None:
    rows = [
        {"when": _("at the start") if number == 0 else _("after block {block}").format(block=number),
         **{f"guess{i}": f"{token}  {format.percent(chance)}" for i, (token, chance) in enumerate(guess[place])}}
        for number, guess in enumerate(found.guesses)
    ]  # fmt: skip
    names = [_("Top prediction"), _("Second"), _("Third")]
    st.dataframe(
        rows, hide_index=True, height="content",
        column_config={"when": _("If the model stopped"), **{f"guess{i}": name for i, name in enumerate(names)}},
    )  # fmt: skip
    st.caption(
        _("What would follow **{token}** if the stream were read out there. Early blocks know little more than the "
          "token itself; the answer forms in the later ones.").format(token=escaped(found.tokens[place]))
    )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("Why is the upper right half of the attention picture empty?"),
            (_("Those weights were pruned."), _("A token may not look at tokens that come after it."),
             _("The sentence is too short.")), 1,
            _("The model learns to predict the next token, so it must not see it. The mask sets those scores to "
              "minus infinity, and softmax turns them into 0."),
        ),
        Question(
            _("A row of attention says 60% on one token. What are the others worth together?"),
            (_("40%"), _("60% as well"), _("That depends on the head")), 0,
            _("Softmax makes every row sum to 100%, in every head."),
        ),
        Question(
            _("What does the feed-forward of a token read?"),
            (_("All tokens of the sentence"), _("Only the stream of that token"), _("The attention weights")), 1,
            _("It works on each token alone. What other tokens know has been brought here by attention before."),
        ),
    ]  # fmt: skip
