"""What stands before every request and every websocket: is this server meant, and may this browser in?

A browser runs what any site tells it to, also against a server on the same machine. A site may let its own name lead to
127.0.0.1 (DNS rebinding); then the browser takes OptLab for a part of that site, and the name in Host is all that tells
them apart. A site may also open a websocket to localhost, for which browsers ask nobody; Origin tells who opens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocketClose

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
        gate = self.policy.sign_in
        if answer is None and gate is not None and not self._open(scope) and not gate.signed_in(headers):
            answer = await gate.ask(scope, headers, receive)
        if answer is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await WebSocketClose(code=1008)(scope, receive, send)  # before it is accepted: a browser sees 403
        else:
            await answer(scope, receive, _with_headers(send))

    def _open(self, scope: Scope) -> bool:
        """Whether this is answered before anybody has signed in."""
        gate = self.policy.sign_in
        return scope["path"].endswith(HEALTH) or (gate is not None and gate.passes(scope))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What a request that does not mean this server, or was sent by another site, is told."""
        host = headers.get("host", "")
        if self.policy.hosts and _name(host) not in self.policy.hosts:
            return PlainTextResponse(
                f"This dashboard is not called {_name(host)[:80] or 'that'}. Open it as http://localhost, or name this "
                "host in OPTLAB_HOSTS before it starts.\n", 403,
            )  # fmt: skip
        if self.policy.sign_in is None and not _from_here(scope):
            return PlainTextResponse("This dashboard answers this machine only.\n", 403)
        origin = headers.get("origin")
        unsafe = scope["type"] == "websocket" or scope["method"] not in SAFE
        if unsafe and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return PlainTextResponse("This was sent by another site.\n", 403)
        return None


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


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending
