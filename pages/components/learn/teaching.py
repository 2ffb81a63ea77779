"""A lesson in front of a class: the whole window, step by step with the arrow keys, and an address for each step.

`assets/teaching` hides what comes later; the knobs stay alive, because Python draws the lesson as ever.
"""

from __future__ import annotations

import streamlit as st

from optlab.i18n import _
from pages.components.learn import mounting

TEACH, STEP = "teach", "step"
"""In the address: that a lesson is taught, and its step from 1."""
LESSON = "lesson"
"""Key of the container whose parts are the steps."""
FOLDER = "teaching"
KEY = "learn/teaching"

_mounted = mounting.mounted(FOLDER)


def is_on() -> bool:
    """Whether the address asks for it."""
    return st.query_params.get(TEACH) == "1"


def begin() -> None:
    """The button that begins it."""
    st.button(
        _("Present"), key="learn/teach", icon=":material/slideshow:", on_click=_set, args=(True,),
        help=_("The whole window, one step after the other; arrow keys or a presenter's buttons go on and back."),
    )  # fmt: skip


def bar(slug: str) -> None:
    """What goes on and back, at the lower edge; call after the lesson `slug` was drawn."""
    st.html(f"<style>{mounting.text(FOLDER, 'page.css')}</style>")
    told = st.query_params.get(STEP, "")
    step = int(told) if told.isascii() and told.isdecimal() and len(told) < 4 else 1
    _mounted(key=KEY, data={"lesson": slug, "step": max(step, 1), "words": _words()}, on_closed_change=_closed)


def first_step() -> None:
    """Another lesson begins at its beginning."""
    st.query_params.pop(STEP, None)


def _closed() -> None:
    _set(False)


def _set(on: bool) -> None:
    first_step()
    if on:
        st.query_params[TEACH] = "1"
    else:
        st.query_params.pop(TEACH, None)


def _words() -> dict[str, str]:
    return {
        "back": _("Back"), "on": _("Go on"), "full": _("Full screen"), "link": _("Copy link to this step"),
        "copied": _("Copied"), "close": _("End presentation"), "step": _("Step {step} of {count}"),
        "bar": _("Presentation"),
    }  # fmt: skip
