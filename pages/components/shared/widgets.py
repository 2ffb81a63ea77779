"""Widgets whose value comes from the address: set once from outside, then the person's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

NOTHING = "\N{EN DASH}"
"""Stands for None among the options of a selectbox, where None itself would mean 'nothing chosen yet'."""


def keyed(key: str, value: Any) -> str:
    """The key of a widget, set to `value` unless the person has moved it already."""
    if key not in st.session_state:
        st.session_state[key] = value
    return key


def forget(prefix: str) -> None:
    """Let the widgets whose keys begin so start again from the values they are given."""
    for key in [key for key in st.session_state if str(key).startswith(prefix)]:
        del st.session_state[key]


def choice(
    label: str, options: Sequence[Any], value: Any, key: str, name: Callable[[Any], str], help: str,
    free: bool = False,
) -> Any:  # fmt: skip
    """A selectbox in which None can be an option. name: what an option is called; free: other words may be typed."""
    offered = [NOTHING if option is None else option for option in options]
    chosen = st.selectbox(
        label, offered, key=keyed(key, NOTHING if value is None else value), help=help, accept_new_options=free,
        format_func=lambda option: name(None if option == NOTHING else option),
    )  # fmt: skip
    return None if chosen == NOTHING else chosen
