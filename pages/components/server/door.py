"""What stands before every request and every websocket: is this server meant, and may this browser in?

A browser runs what any site tells it to, also against a server on the same machine. A site may let its own name lead to
127.0.0.1 (DNS rebinding); then the browser takes OptLab for a part of that site, and the name in Host is all that tells
them apart. A site may also open a websocket to localhost, for which browsers ask nobody; Origin tells who opens it.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.websockets import WebSocketClose

from pages.components.server import sign_in
from pages.components.server.policy import Policy, is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT = "; ".join([
    "default-src 'self'",
    # Streamlit starts itself with a script in the page, charts compile expressions, components arrive as blobs
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
    "style-src 'self' 'unsafe-inline' blob: data:",
    "img-src 'self' data: blob:", "media-src 'self' data: blob:", "font-src 'self' data:",
    "connect-src 'self' data: blob:", "worker-src 'self' blob:", "frame-src 'self' data: blob:",
    "object-src 'none'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'self'",
])  # fmt: skip
"""Nothing is fetched from elsewhere and nothing is sent there, whatever a page was made to show."""
HEADERS = {
    "Content-Security-Policy": CONTENT,
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # an address holds recipes and paths
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SAFE = ("GET", "HEAD", "OPTIONS")
HEALTH = "/_stcore/health"
LARGEST_FORM = 4096


class Door:
    """ASGI middleware before everything that `app` answers."""

    stands = False
    """Whether one was put before the server of this process."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app, self.policy = app, policy
        Door.stands = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers)
        if answer is None and not self._signed_in(scope, headers):
            answer = await self._asked(scope, headers, receive)
        if answer is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await WebSocketClose(code=1008)(scope, receive, send)  # before it is accepted: a browser sees 403
        else:
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What a request that does not mean this server, or was sent by another site, is told."""
        host = headers.get("host", "")
        if self.policy.hosts and _name(host) not in self.policy.hosts:
            return PlainTextResponse(
                f"This dashboard is not called {_name(host)[:80] or 'that'}. Open it as http://localhost, or name this "
                "host in OPTLAB_HOSTS before it starts.\n", 403,
            )  # fmt: skip
        if self.policy.token is None and not _from_here(scope):
            return PlainTextResponse("This dashboard answers this machine only.\n", 403)
        origin = headers.get("origin")
        unsafe = scope["type"] == "websocket" or scope["method"] not in SAFE
        if unsafe and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return PlainTextResponse("This was sent by another site.\n", 403)
        return None

    def _signed_in(self, scope: Scope, headers: Headers) -> bool:
        if self.policy.token is None or scope["path"].endswith(HEALTH):
            return True
        name, value = self.policy.cookie
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(name)
        except CookieError:
            kept = None
        return kept is not None and hmac.compare_digest(kept.value.encode(), value.encode())

    async def _asked(self, scope: Scope, headers: Headers, receive: Receive) -> Response:
        """What a browser that has not signed in is told: to sign in, or that it now has."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        tried = bool(given)
        if scope["type"] == "http" and scope["method"] == "POST":
            given, tried = await _posted(receive), True
        if self.policy.knows(given):
            return self._let_in(scope, headers)
        return HTMLResponse(sign_in.page(tried), 401)

    def _let_in(self, scope: Scope, headers: Headers) -> Response:
        asked = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
        path = "/" + scope["path"].lstrip("/\\")  # two slashes would lead to another host
        answer = RedirectResponse(f"{path}?{urlencode(asked)}" if asked else path, 303)
        name, value = self.policy.cookie
        secure = "https" in (scope["scheme"], headers.get("x-forwarded-proto"))
        answer.set_cookie(name, value, max_age=30 * 86_400, httponly=True, samesite="lax", secure=secure)
        return answer


def _name(host: str) -> str:
    """The name in a Host header, without the port; '' for one that is no name."""
    try:
        parsed = urlsplit(f"//{host}")
        _ = parsed.port
    except ValueError:
        return ""
    plain = parsed.netloc == host and parsed.username is None and not parsed.path
    return (parsed.hostname or "").rstrip(".").lower() if plain else ""


def _from_here(scope: Scope) -> bool:
    """Whether the connection came in at an address of this machine alone, whatever its headers say."""
    server: Any = scope.get("server")
    return server is None or server[1] is None or is_loopback(server[0])


async def _posted(receive: Receive) -> str:
    """The token of a form."""
    body = b""
    while len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return parse_qs(body[:LARGEST_FORM].decode("latin-1")).get("token", [""])[0]


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending
