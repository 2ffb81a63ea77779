"""What a door asks of a way to sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import Receive, Scope


class SignIn(Protocol):
    """One way to find out whether a browser may in."""

    def check(self) -> None:
        """Called once, before the server starts. Raises OptLabError where this way cannot work here."""

    def passes(self, scope: Scope) -> bool:
        """Whether this request is part of signing in, and so is answered before anybody has."""

    def signed_in(self, headers: Headers) -> bool:
        """Whether who sends these headers has signed in."""

    async def ask(self, scope: Scope, headers: Headers, receive: Receive) -> Response:
        """What a browser that has not is told: to sign in, or that it now has."""
