"""Learn: short lessons in which a small real model computes while one types; the address names the lesson."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from optlab.figures import glossary
from optlab.i18n import _, plural
from pages.components.learn import parts, teaching
from pages.components.learn.index import LESSONS
from pages.components.shared import frame, services

ADDRESS = "lesson"
PICKED = "learn/picked"


def main() -> None:
    """Draw the page: one lesson when the address names it, else what there is to learn."""
    slug = st.query_params.get(ADDRESS, "")
    if slug in LESSONS:
        lesson(slug)
        return
    st.title(_("Learn"))
    if slug:
        st.warning(_("There is no lesson with this name; here are all of them."), icon=":material/school:")
    overview()


def overview() -> None:
    """All lessons with what they promise."""
    st.markdown(_("How language models work and how they are made smaller, in short lessons. Nothing is drawn by "
                  "hand: a small real model computes everything while you type and drag."))  # fmt: skip
    scores = parts.scores()
    if scores:
        right, count = (sum(numbers) for numbers in zip(*scores.values(), strict=True))
        st.markdown(_("So far {right} of {count} questions right, in {lessons}.").format(
            right=right, count=count, lessons=plural("{count} lesson", "{count} lessons", len(scores))))  # fmt: skip
    columns: Sequence[DeltaGenerator] = ()
    for number, (slug, module) in enumerate(LESSONS.items()):
        if number % 3 == 0:
            columns = st.columns(3)  # a row each, so that lessons follow one another on a phone too
        with columns[number % 3].container(border=True, height="stretch"):
            st.markdown(f"**{number + 1}. {module.title()}**")
            st.caption(module.promise())
            if slug in scores:
                right, count = scores[slug]
                st.badge(_("{right} of {count} right").format(right=right, count=count), icon=":material/check:",
                         color="green" if right == count else "gray")  # fmt: skip
            st.button(_("Open"), key=f"learn/open/{slug}", icon=":material/play_arrow:", on_click=_go, args=(slug,))
    with st.expander(_("Glossary"), icon=":material/dictionary:"):
        for term, meaning in glossary.terms():
            st.markdown(f"**{term}**  \n{meaning}")


def lesson(slug: str) -> None:
    """One lesson: its text and charts, its questions, and the way on."""
    slugs, module = list(LESSONS), LESSONS[slug]
    place = slugs.index(slug)
    if st.session_state.get(PICKED) != slug:  # the address may have changed since the widget was drawn
        st.session_state[PICKED] = slug
    st.title(module.title())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            _("Lesson"), slugs, key=PICKED, on_change=_picked, width=420,
            format_func=lambda one: f"{slugs.index(one) + 1}. {LESSONS[one].title()}",
        )  # fmt: skip
        if not teaching.is_on():
            teaching.begin()
    with st.container(key=teaching.LESSON):
        st.fragment(_body)(slug)
        st.fragment(_questions)(slug)
    if teaching.is_on():
        teaching.bar(slug)
    with st.container(horizontal=True):
        if place:
            st.button(_("Previous lesson"), key="learn/back", icon=":material/arrow_back:", on_click=_go,
                      args=(slugs[place - 1],))  # fmt: skip
        st.button(_("All lessons"), key="learn/all", icon=":material/school:", on_click=_go, args=("",))
        if place + 1 < len(slugs):
            following = _("Next: {title}").format(title=LESSONS[slugs[place + 1]].title())
            st.button(following, key="learn/next", icon=":material/arrow_forward:", type="primary", on_click=_go,
                      args=(slugs[place + 1],))  # fmt: skip


def _body(slug: str) -> None:
    with services.shown_errors():
        LESSONS[slug].show()


def _questions(slug: str) -> None:
    parts.quiz(slug, LESSONS[slug].questions())


def _picked() -> None:
    _go(st.session_state[PICKED])


def _go(slug: str) -> None:
    teaching.first_step()
    if slug:
        st.query_params[ADDRESS] = slug
    elif ADDRESS in st.query_params:
        del st.query_params[ADDRESS]


frame.required()
main()
