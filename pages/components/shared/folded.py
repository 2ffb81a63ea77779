"""A box that is closed at first, and whose content is worked out only once a person opens it.

Streamlit computes and sends what lies in a closed expander as well; on Explore that was most of the page, at every
movement of a slider.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st

from optlab.i18n import language

PREFIX = "folded/"


@dataclass
class _Fold:
    """Whether a box is open, and whether it was when its words were first drawn in `language`."""

    language: str
    begun: bool = False
    open: bool = False


@contextmanager
def folded(label: str, key: str, icon: str) -> Iterator[bool]:
    """Draw the box; whether it is open, so that what belongs into it should be drawn. key: its name on the page."""
    fold: _Fold = st.session_state.setdefault(f"{PREFIX}{key}/kept", _Fold(language()))
    if fold.language != language():  # to Streamlit a box with other words is another box, which begins anew
        fold.language, fold.begun = language(), fold.open
    box = st.expander(label, expanded=fold.begun, key=f"{PREFIX}{key}", icon=icon, on_change="rerun")
    fold.open = bool(box.open)
    with box:
        yield fold.open
