"""Who may reach this dashboard: decided once, when the server starts, by the address that it is bound to."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from optlab import paths, roots
from optlab.errors import OptLabError

AUTH, HOSTS, TOKEN = "OPTLAB_AUTH", "OPTLAB_HOSTS", "OPTLAB_TOKEN"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Policy:
    """hosts: the names that a browser may call this server by; empty for any. token: what a person must know; None
    where only this machine reaches the server."""

    hosts: frozenset[str]
    token: str | None = None

    @classmethod
    def of(cls, address: str | None, environment: Mapping[str, str]) -> Policy:
        """The policy of a server at `address` (None: every address of the machine).

        Raises OptLabError, which says how it is done, for one that other machines reach and that asks for nothing.
        """
        named = frozenset(filter(None, (one.strip().lower() for one in environment.get(HOSTS, "").split(","))))
        auth = environment.get(AUTH, "")
        if auth == "token":
            # a cookie belongs to the name of a host: a page that makes its own name lead here has no cookie
            return cls(named, _token(environment))
        if auth:
            raise OptLabError("OPTLAB_AUTH is {auth!r}; it can be token, or not set", auth=auth)
        if not is_loopback(address):
            raise OptLabError(
                "at {address} other machines would reach this dashboard, and read what this account may read; set "
                "OPTLAB_AUTH=token so that it asks for a token, or leave server.address at 127.0.0.1",
                address=address or "every address",
            )
        return cls(LOOPBACK_NAMES | named)

    @property
    def cookie(self) -> tuple[str, str]:
        """(name, value) of what a browser keeps of the token; neither tells the token."""
        key = (self.token or "").encode()
        name = hmac.new(key, b"name", hashlib.sha256).hexdigest()[:8]
        return f"optlab-{name}", hmac.new(key, b"session", hashlib.sha256).hexdigest()

    def knows(self, token: str) -> bool:
        """Whether it is the token."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def confine(self, environment: dict[str, str] | os._Environ[str]) -> None:
        """Where others are let in, models and texts come from folders that were named, unless the owner said which."""
        if self.token is not None:
            environment.setdefault(roots.VARIABLE, "")


def is_loopback(address: str | None) -> bool:
    """Whether only this machine reaches a server at `address`."""
    if address is None:
        return False
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def _token(environment: Mapping[str, str]) -> str:
    """OPTLAB_TOKEN, else one that is made once and kept where only this account reads it."""
    given = environment.get(TOKEN)
    if given is not None:
        if len(given) < SHORTEST_TOKEN:
            raise OptLabError("OPTLAB_TOKEN has fewer than {count} characters", count=SHORTEST_TOKEN)
        return given
    file = paths.home() / "token"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = file.read_text(encoding="ascii", errors="replace").strip()
        if len(kept) < SHORTEST_TOKEN:
            raise OptLabError("{file} holds no token; delete it, and another is made", file=file) from None
        return kept
    with os.fdopen(descriptor, "w") as opened:
        made = secrets.token_urlsafe(32)
        opened.write(made)
    return made
