"""The markup, style and script of the curve under the finger, as one piece of text each: there is no build step.

The files of `assets/curve` are plain scripts in one scope, put behind each other in this order; the last one says where
they run.
"""

from __future__ import annotations

from functools import cache

from optlab import paths

FOLDER = paths.ASSETS / "curve"
SCRIPTS = ("chart.js", "tiles.js", "knobs.js", "live.js")
STREAMLIT, PAGE = "streamlit.js", "page.js"
"""Where the scripts run: in the dashboard, where Python hears of a movement, or in a page without a server."""


@cache
def script(where: str) -> str:
    """All scripts. where: `STREAMLIT` or `PAGE`."""
    return "\n".join(_text(name) for name in (*SCRIPTS, where))


@cache
def style() -> str:
    """The style sheet."""
    return _text("curve.css")


@cache
def markup() -> str:
    """The elements that the scripts fill."""
    return _text("curve.html")


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
