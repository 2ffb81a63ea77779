"""Files of any size from the disk to a browser, piece by piece and with ranges, so that a broken download goes on.

Streamlit's own download button holds the whole file in memory for as long as a page shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import streamlit as st
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from optlab.client import taking_home
from pages.components.shared import services

if TYPE_CHECKING:
    from starlette.requests import Request

PREFIX = "take-home"
TYPES = {".zip": "application/zip", ".md": "text/markdown"}


def routes() -> list[Route]:
    """What the server answers besides the pages."""
    return [Route(f"{_base()}/{PREFIX}/{{id:int}}/{{name}}", _send, methods=["GET", "HEAD"])]


def address(id: int, name: str) -> str:
    """Where the file `name` of export run `id` is fetched."""
    return f"{_base()}/{PREFIX}/{id}/{quote(name)}"


def _send(request: Request) -> Response:
    """In a thread of its own, because it asks the store."""
    name = str(request.path_params["name"])
    file = taking_home.file(services.client(), int(request.path_params["id"]), name)
    if file is None:
        return PlainTextResponse("There is no such file here: its run was deleted, or never wrote one.", 404)
    # no gzip on the way: weights do not shrink again, and the browser would not know how much is left
    kind = TYPES.get(Path(name).suffix, "application/octet-stream")
    return FileResponse(file, filename=name, media_type=kind, headers={"Content-Encoding": "identity"})


def _base() -> str:
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""
