"""What Streamlit's containers cannot say: a strip that stays on top, and two panes below it that scroll by themselves,
so that one screen holds all of it. Colours are those of the theme."""

from __future__ import annotations

import streamlit as st

from optlab import paths


def show() -> None:
    """Call before anything else of the page."""
    light, dark = (st.get_option(f"theme.{name}.backgroundColor") for name in ("light", "dark"))
    sheet = (paths.ASSETS / "explore.css").read_text(encoding="utf-8")
    st.html(f"<style>:root {{ --optlab-ground: light-dark({light}, {dark}) }}\n{sheet}</style>")
