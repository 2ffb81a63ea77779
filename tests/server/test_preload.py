"""A page names the code that its elements need, so that a browser asks for it before they arrive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Message

from pages.components.server import preload
from tests.server.apart import finished


def answered(response: Response, path: str = "/explore", **named: str) -> dict[str, str]:
    """The headers of what `response` becomes on its way out."""
    sent: list[Message] = []
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    finished(preload.Preload(response)(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_every_kind_of_element_is_still_called_so_and_comes_with_all_that_it_imports() -> None:
    names = preload.modules()
    for kind in preload.DRAWN:
        assert any(name.startswith(f"{kind}.") for name in names), f"Streamlit has no module {kind}"
    start = (preload.SCRIPTS.parent.parent / "index.html").read_text()
    first = set(re.findall(r"/js/([\w.-]+\.js)", start))
    assert not first & set(names), "the page names these itself"
    for name in names:
        wanted = set(preload.IMPORTS.findall((preload.SCRIPTS / name).read_text()))
        assert wanted <= first | set(names)


def test_static_imports_are_followed_and_later_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="./static/js/index.0.js"></script>')
    scripts = tmp_path / "static" / "js"
    scripts.mkdir(parents=True)
    (scripts / "Curve.1.js").write_text(
        'import{a}from"./a.2.js";import"./b.3.js";import"./index.0.js";import("./late.4.js")'
    )
    (scripts / "a.2.js").write_text('import{c}from"./Curve.1.js";import "./gone.5.js"')
    for name in ("b.3.js", "late.4.js", "index.0.js", "Curves.6.js"):
        (scripts / name).write_text("")
    assert preload.modules(scripts, ("Curve",)) == ("Curve.1.js", "a.2.js", "b.3.js")


def test_pages_name_them_and_nothing_else_does() -> None:
    link = answered(HTMLResponse("<p>"))["link"]
    assert all(f"<./static/js/{name}>; rel=modulepreload" in link for name in preload.modules())
    assert "link" not in answered(PlainTextResponse("ok"))
    assert "link" not in answered(HTMLResponse("not here", 404))
    assert "link" not in answered(HTMLResponse("<p>"), sec_fetch_dest="iframe")


def test_another_layout_of_streamlit_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    preload.header.cache_clear()
    monkeypatch.setattr(preload, "modules", lambda: (tmp_path / "index.html").read_text())
    assert "link" not in answered(HTMLResponse("<p>"))
    preload.header.cache_clear()
