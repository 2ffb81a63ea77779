"""Signing in by name at an OpenID Connect provider, through Streamlit's own `st.login`.

Streamlit asks in a page, when its websocket is open already. Here the door asks before: without Streamlit's signed
cookie a browser is led to the provider, and a websocket is refused. The provider and its client are those of
`.streamlit/secrets.toml`, section [auth], as Streamlit documents them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from streamlit import auth_util
from streamlit.errors import StreamlitAuthError
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from optlab.errors import OptLabError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope

PROVIDER = "default"
SHORTEST_SECRET = 32
"""Bytes of the key that signs the cookies, as RFC 7518 asks of HS256."""
LOGIN, LOGOUT, CALLBACK = "/auth/login", "/auth/logout", "/oauth2callback"


@dataclass(frozen=True)
class OidcSignIn:
    """base: the path that the server lies below, '' for none."""

    base: str = ""

    @classmethod
    def here(cls) -> OidcSignIn:
        """As Streamlit is configured."""
        base = str(st.get_option("server.baseUrlPath") or "").strip("/")
        return cls(f"/{base}" if base else "")

    def check(self) -> None:
        """Raises OptLabError, which says what is missing."""
        if not auth_util.is_authlib_installed():
            raise OptLabError("OPTLAB_AUTH=oidc needs Authlib: pip install 'optlab[sign-in]'")
        try:
            auth_util.validate_auth_credentials(PROVIDER)
        except StreamlitAuthError as error:
            raise OptLabError("OPTLAB_AUTH=oidc: {reason}", reason=" ".join(str(error).split())) from None
        if len(get_cookie_secret().encode()) < SHORTEST_SECRET:
            raise OptLabError(
                "OPTLAB_AUTH=oidc: cookie_secret in .streamlit/secrets.toml has fewer than {count} characters; whoever "
                "guesses it is anybody", count=SHORTEST_SECRET,
            )  # fmt: skip

    def passes(self, scope: Scope) -> bool:
        """The three addresses that Streamlit signs people in and out by."""
        return scope["type"] == "http" and scope["path"] in [self.base + one for one in (LOGIN, LOGOUT, CALLBACK)]

    def signed_in(self, headers: Headers) -> bool:
        """Whether Streamlit's cookie says so, signed by its secret and not expired."""
        return bool(claims(headers.get("cookie", "")).get("is_logged_in"))

    async def ask(self, scope: Scope, headers: Headers, receive: Receive) -> Response:
        """The way to the provider, for who opens a page; a plain refusal for everything else."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Sign in first.\n", 401)
        if headers.get("sec-fetch-dest", "document") != "document":  # a picture or a script cannot sign in
            return PlainTextResponse("Sign in first.\n", 401)
        token = auth_util.encode_provider_token(PROVIDER)
        return RedirectResponse(f"{self.base}{LOGIN}?provider={token}", 303, {"Cache-Control": "no-store"})


def claims(cookies: str) -> dict[str, Any]:
    """What the provider vouched for, from a Cookie header; empty where nobody has signed in."""
    sent = cookie_parser(cookies)
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        return decode_signed_value(secret, name, sent[name]) if name in sent else None

    signed = auth_util.get_cookie_with_chunks(one, USER_COOKIE_NAME)
    try:
        found = json.loads(signed or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def address(found: dict[str, Any]) -> str:
    """The address of a person that may be trusted; '' where the provider says that it did not verify it.

    Where a provider names no address, its own name for the person (`sub`) stands for it.
    """
    given, verified = found.get("email"), found.get("email_verified", True)
    if isinstance(given, str) and given:
        return given if verified in (True, "true") else ""
    subject = found.get("sub")
    return subject if isinstance(subject, str) else ""
