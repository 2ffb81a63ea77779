"""The markup, style and script of the curve under the finger, as one piece of text each: there is no build step.

The files of `assets/curve` are plain scripts in one scope, put behind each other in this order; the last one says where
they run.
"""

from __future__ import annotations

from functools import cache

from optlab import paths

FOLDER = paths.ASSETS / "curve"
PARTS = ("tiles", "knobs", "chart")
"""What the scripts draw into; each has its own file of markup."""
SCRIPTS = ("chart.js", "tiles.js", "knobs.js", "live.js")
STREAMLIT, PAGE = "streamlit.js", "page.js"
"""Where the scripts run: in the dashboard, where Python hears of a movement, or in a page without a server."""
FIRST = paths.ASSETS / "first"
"""And on the first screen, which stands while the dashboard starts in the browser."""


@cache
def script(where: str) -> str:
    """All scripts. where: `STREAMLIT` or `PAGE`."""
    return "\n".join(_text(name) for name in (*SCRIPTS, where))


@cache
def script_of_first_screen() -> str:
    """All scripts, in a scope of their own: they lie in Streamlit's page, whose names they must not take."""
    own = (FIRST / "first.js").read_text(encoding="utf-8")
    return "\n".join(["(() => {", *(_text(name) for name in SCRIPTS), own, "})();"])


@cache
def style() -> str:
    """The style sheet."""
    return theme() + _text("curve.css")


@cache
def style_of_first_screen() -> str:
    """The style sheet of the curve with that of what stands around it there."""
    return style() + (FIRST / "first.css").read_text(encoding="utf-8")


@cache
def theme() -> str:
    """Colours and type of everything that is drawn by scripts of ours."""
    return (paths.ASSETS / "theme.css").read_text(encoding="utf-8")


@cache
def markup() -> str:
    """The elements that the scripts fill, all of them in one place: for a page without a server."""
    tiles, knobs, chart = (_text(f"{name}.html") for name in PARTS)
    return f'<section class="curve themed">{tiles}<div class="below">{knobs}{chart}</div></section>'


@cache
def part(name: str) -> str:
    """The elements of one of `PARTS`, for a page that puts them in different places."""
    return f'<section class="curve themed" data-part="{name}">{_text(f"{name}.html")}</section>'


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
