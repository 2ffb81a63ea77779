"""The documents of Explore: Streamlit's own with a first screen inside, which `explore.first_screen` makes."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from streamlit import file_util

from optlab.errors import OptLabError

if TYPE_CHECKING:
    from starlette.requests import Request

LANDING, EXPLORE = "/", "/explore"
PLACE = '<div id="root">'
"""What Streamlit draws into. Where a version of it has something else, nothing is put before it."""
HEADERS = {"Cache-Control": "no-cache", "Vary": "Accept-Language"}

_log = logging.getLogger(__name__)


def routes() -> list[Route]:
    """In the place of Streamlit's own for the two addresses that lead to Explore."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    base = f"/{path}" if path else ""
    return [Route(base + one, _document, methods=["GET"]) for one in (LANDING, EXPLORE)]


def _document(request: Request) -> Response:
    """In a thread of its own, because it asks the store."""
    document = _streamlits()
    asked_for = request.headers.get("sec-fetch-dest", "document") == "document"
    if asked_for and request.method == "GET" and PLACE in document:
        document = document.replace(PLACE, _screen(request) + PLACE, 1)
    return HTMLResponse(document, headers=HEADERS)


def _screen(request: Request) -> str:
    """'' where there can be none: the page behind it is whole without, and says itself what is wrong."""
    # by name, because it registers components of the browser, for which the runtime must have begun
    made = import_module("pages.components.explore.first_screen")
    newcomer = request.url.path.endswith(LANDING)
    try:
        return made.html(dict(request.query_params), request.headers.get("accept-language", ""), newcomer) or ""
    except OptLabError:
        return ""
    except Exception:  # a mistake of ours there must not take the page away too
        _log.exception("the first screen was left out")
        return ""


@cache
def _streamlits() -> str:
    return (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
