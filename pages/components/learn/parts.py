"""What all lessons are made of: formulas with their letters explained, a sentence to keep, questions with an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from optlab.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CHART = {"displayModeBar": False}
SCORES = "learn/scores"


@dataclass(frozen=True)
class Question:
    """right: which of the options. because: said after any answer."""

    ask: str
    options: tuple[str, str, str]
    right: int
    because: str


NEXT = re.compile(r",?\s*\\qquad\s*")
"""What stands between two formulas."""


def chart(figure: Figure, key: str) -> None:
    """A chart of a lesson, without the bar of tools."""
    st.plotly_chart(figure, key=f"learn/{key}", config=CHART)


def formula(latex: str, letters: Mapping[str, str]) -> None:
    """A formula, or several with `NEXT` between them; below it what each letter stands for. letters: LaTeX -> words."""
    with st.container(horizontal=True, horizontal_alignment="center", gap="large"):  # one below the other on a phone
        for part in NEXT.split(latex):
            st.latex(part, width="content")
    st.caption(" · ".join(f"${letter}$ {words}" for letter, words in letters.items()))


def keep(words: str) -> None:
    """The sentence that a reader should remember."""
    st.info(words, icon=":material/lightbulb:")


def quiz(slug: str, questions: Sequence[Question]) -> None:
    """Questions to check oneself; each says at once whether the answer was right, and why."""
    st.subheader(_("Check yourself"))
    for number, question in enumerate(questions):
        with st.container(border=True):
            chosen = st.radio(
                f"**{number + 1}.** {question.ask}", range(len(question.options)), index=None,
                format_func=question.options.__getitem__, key=f"learn/{slug}/question/{number}",
            )  # fmt: skip
            if chosen is None:
                continue
            if chosen == question.right:
                st.success(_("Right. {because}").format(because=question.because), icon=":material/check:")
            else:
                st.warning(_("Not quite. {because}").format(because=question.because), icon=":material/close:")
    answers = [st.session_state.get(f"learn/{slug}/question/{number}") for number in range(len(questions))]
    if None not in answers:
        right = sum(answer == question.right for answer, question in zip(answers, questions, strict=True))
        st.session_state.setdefault(SCORES, {})[slug] = right, len(questions)
        st.caption(_("{right} of {count} right.").format(right=right, count=len(questions)))


def scores() -> dict[str, tuple[int, int]]:
    """Of every lesson whose questions were all answered in this session: how many were right, of how many."""
    return dict(st.session_state.get(SCORES, {}))
