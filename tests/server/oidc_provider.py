"""A small OpenID Connect provider on this machine, which lets its visitor choose who to be.

It follows the parts of OpenID Connect Core 1.0 that the authorization code flow needs (3.1): discovery, an
authorization endpoint, a token endpoint with client authentication, and ID tokens signed by RS256.
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.browser.serving import free_port

CLIENT, SECRET = "optlab-tests", "a secret between the dashboard and its provider"
PEOPLE: dict[str, dict[str, Any]] = {
    "ann": {"sub": "1", "email": "ann@example.org", "email_verified": True},
    "eve": {"sub": "2", "email": "eve@example.org", "email_verified": True},
    "root": {"sub": "3", "email": "root@example.org", "email_verified": True},
    "liar": {"sub": "4", "email": "root@example.org", "email_verified": False},
}


class Provider:
    """issuer: its address. Every code is good for one token."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = RSAKey.generate_key(2048, {"kid": "of-tests"})
        self.codes: dict[str, dict[str, Any]] = {}

    def app(self) -> Starlette:
        return Starlette(routes=[
            Route("/.well-known/openid-configuration", self.discovery), Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]), Route("/keys", self.keys),
        ])  # fmt: skip

    async def discovery(self, request: Request) -> Response:
        return JSONResponse({
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
        })  # fmt: skip

    async def keys(self, request: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != CLIENT or asked.get("response_type") != "code":
            return Response("unknown client", 400)
        who = asked.get("who")
        if who is None:
            links = (f'<li><a href="?{escape(urlencode({**asked, "who": one}))}">{one}</a>' for one in PEOPLE)
            return HTMLResponse(f"<!doctype html><title>Provider</title><ul>{''.join(links)}</ul>")
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**PEOPLE[who], "nonce": asked.get("nonce")}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def token(self, request: Request) -> Response:
        form = dict(await request.form())
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        about = self.codes.pop(str(form.get("code")), None)
        if about is None or (given != known and form.get("client_secret") != SECRET):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 600, **about}
        signed = jwt.encode({"alg": "RS256", "kid": "of-tests"}, claims, self.key)
        return JSONResponse({
            "access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 600, "id_token": signed,
        })  # fmt: skip


@contextmanager
def provider() -> Iterator[str]:
    """The address of one, in a thread of this process."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(uvicorn.Config(Provider(issuer).app(), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield issuer
    finally:
        server.should_exit = True
        thread.join(10)


def secrets_file(issuer: str, cookie_secret: str = "of-tests" * 5) -> str:
    """What the owner of a dashboard writes into `.streamlit/secrets.toml`."""
    return f"""[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{cookie_secret}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""
