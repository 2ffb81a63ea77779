"""A box that is closed at first, and whose content is worked out only once a person opens it.

Streamlit computes and sends what lies in a closed expander as well; on Explore that was most of the page, at every
movement of a slider.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

PREFIX = "folded/"


@contextmanager
def folded(label: str, key: str, icon: str) -> Iterator[bool]:
    """Draw the box; whether it is open, so that what belongs into it should be drawn. key: its name on the page."""
    box = st.expander(label, key=f"{PREFIX}{key}", icon=icon, on_change="rerun")
    with box:
        yield bool(box.open)
