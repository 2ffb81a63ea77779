"""Components that draw themselves in the browser: markup, style and script are three files of one folder of assets."""

from __future__ import annotations

from typing import Any

import streamlit as st

from optlab import paths
from optlab.figures import curve_assets


def text(folder: str, name: str) -> str:
    """A file of `assets/{folder}`."""
    return (paths.ASSETS / folder / name).read_text(encoding="utf-8")


def mounted(folder: str) -> Any:
    """What mounts the component of `assets/{folder}`, whose files have its name; call once, when a module is read."""
    return st.components.v2.component(
        f"optlab_{folder}", html=text(folder, f"{folder}.html"),
        css=curve_assets.theme() + text(folder, f"{folder}.css"), js=text(folder, f"{folder}.js"),
    )  # fmt: skip
