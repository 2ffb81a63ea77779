"""One token that everybody who is let in knows: behind the address once, or in a form; then a cookie keeps it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlencode

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

from optlab import paths
from optlab.errors import OptLabError
from pages.components.server import token_form

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope

TOKEN = "OPTLAB_TOKEN"
SHORTEST = 16
LARGEST_FORM = 4096


@dataclass(frozen=True)
class TokenSignIn:
    """token: what a person must know."""

    token: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> TokenSignIn:
        """With OPTLAB_TOKEN, else one made once and kept where only this account reads it. Raises OptLabError."""
        given = environment.get(TOKEN)
        if given is None:
            return cls(_kept())
        if len(given) < SHORTEST:
            raise OptLabError("OPTLAB_TOKEN has fewer than {count} characters", count=SHORTEST)
        return cls(given)

    @property
    def cookie(self) -> tuple[str, str]:
        """(name, value) of what a browser keeps of the token; neither tells the token."""
        key = self.token.encode()
        name = hmac.new(key, b"name", hashlib.sha256).hexdigest()[:8]
        return f"optlab-{name}", hmac.new(key, b"session", hashlib.sha256).hexdigest()

    def knows(self, token: str) -> bool:
        """Whether it is the token."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def check(self) -> None:
        """A token works everywhere."""

    def passes(self, scope: Scope) -> bool:
        """Nothing is answered to a browser without the token but its form."""
        return False

    def signed_in(self, headers: Headers) -> bool:
        """Whether the cookie is there."""
        name, value = self.cookie
        # SimpleCookie reads nothing behind a cookie that breaks its rules, and every server of this host sets some
        kept = cookie_parser(headers.get("cookie", "")).get(name, "")
        return hmac.compare_digest(kept.encode(), value.encode())

    async def ask(self, scope: Scope, headers: Headers, receive: Receive) -> Response:
        """The form, or the cookie for who brings the token."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        tried = bool(given)
        if scope["type"] == "http" and scope["method"] == "POST":
            given, tried = await _posted(receive), True
        if self.knows(given):
            return self._let_in(scope, headers)
        return HTMLResponse(token_form.page(tried), 401)

    def _let_in(self, scope: Scope, headers: Headers) -> Response:
        asked = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
        path = "/" + scope["path"].lstrip("/\\")  # two slashes would lead to another host
        answer = RedirectResponse(f"{path}?{urlencode(asked)}" if asked else path, 303)
        name, value = self.cookie
        secure = "https" in (scope["scheme"], headers.get("x-forwarded-proto"))
        answer.set_cookie(name, value, max_age=30 * 86_400, httponly=True, samesite="lax", secure=secure)
        return answer


def _kept() -> str:
    file = paths.home() / "token"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = file.read_text(encoding="ascii", errors="replace").strip()
        if len(kept) < SHORTEST:
            raise OptLabError("{file} holds no token; delete it, and another is made", file=file) from None
        return kept
    with os.fdopen(descriptor, "w") as opened:
        made = secrets.token_urlsafe(32)
        opened.write(made)
    return made


async def _posted(receive: Receive) -> str:
    """The token of a form."""
    body = b""
    while len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return parse_qs(body[:LARGEST_FORM].decode("latin-1")).get("token", [""])[0]
