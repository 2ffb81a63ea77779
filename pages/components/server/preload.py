"""The code of what a page draws, asked for while Streamlit starts in the browser.

Streamlit loads the code of a kind of element when the first of that kind arrives: a second wave of some forty files, in
the same moment in which the server computes the rest of the page. Named in a `Link` header of the page, they come while
the browser is busy with the first wave. Nothing is lost where a file is not there: the browser asks for it later.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit
from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPTS = Path(streamlit.__file__).parent / "static" / "static" / "js"
DRAWN = ("BidiComponent", "Html", "Button", "Selectbox", "ButtonGroup", "PageLink", "Checkbox", "TextArea")
"""Kinds of elements that Explore, where people land, draws first; by the names of Streamlit's modules."""
IMPORTS = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
"""A static import of a module beside this one; `import("./a.js")`, which waits for its moment, has a bracket."""


def modules(folder: Path = SCRIPTS, drawn: tuple[str, ...] = DRAWN) -> tuple[str, ...]:
    """Names of the files in `folder` that the elements `drawn` need, those left out that the page itself names."""
    start = (folder.parent.parent / "index.html").read_text(encoding="utf-8")
    found: dict[str, None] = {}
    waiting = [one.name for name in drawn for one in sorted(folder.glob(f"{name}.*.js"))]
    while waiting:
        name = waiting.pop(0)
        if name in found or f"/{name}" in start or not (folder / name).is_file():
            continue
        found[name] = None
        waiting += IMPORTS.findall((folder / name).read_text(encoding="utf-8"))
    return tuple(found)


@cache
def header() -> str:
    """The value of `Link`; '' where Streamlit keeps its code elsewhere."""
    try:
        names = modules()
    except OSError:
        return ""
    # relative to the address of a page, as Streamlit's own are: it may be served below another path
    return ", ".join(f"<./static/js/{name}>; rel=modulepreload; crossorigin; fetchpriority=low" for name in names)


class Preload:
    """ASGI middleware: pages name what the browser will need next."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html") and header():
                    headers["Link"] = header()
            await send(message)

        page = scope["type"] == "http" and Headers(scope=scope).get("sec-fetch-dest", "document") == "document"
        await self.app(scope, receive, sending if page else send)
