"""Who may reach this dashboard: decided once, when the server starts, by the address that it is bound to."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass

from optlab import roots
from optlab.errors import OptLabError
from pages.components.server.oidc_sign_in import OidcSignIn
from pages.components.server.sign_in import SignIn
from pages.components.server.token_sign_in import TokenSignIn

AUTH, HOSTS = "OPTLAB_AUTH", "OPTLAB_HOSTS"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Policy:
    """hosts: the names that a browser may call this server by; empty for any. sign_in: how people are let in; None
    where only this machine reaches the server."""

    hosts: frozenset[str]
    sign_in: SignIn | None = None

    @classmethod
    def of(cls, address: str | None, environment: Mapping[str, str]) -> Policy:
        """The policy of a server at `address` (None: every address of the machine).

        Raises OptLabError, which says how it is done, for one that other machines reach and that asks for nothing.
        """
        named = frozenset(filter(None, (one.strip().lower() for one in environment.get(HOSTS, "").split(","))))
        auth = environment.get(AUTH, "")
        # a cookie belongs to the name of a host: a page that makes its own name lead here has no cookie
        if auth == "token":
            return cls(named, TokenSignIn.of(environment))
        if auth == "oidc":
            return cls(named, OidcSignIn.here())
        if auth:
            raise OptLabError("OPTLAB_AUTH is {auth!r}; it can be token, oidc, or not set", auth=auth)
        if not is_loopback(address):
            raise OptLabError(
                "at {address} other machines would reach this dashboard, and read what this account may read; set "
                "OPTLAB_AUTH=token so that it asks for a token (or oidc, so that people sign in by name), or leave "
                "server.address at 127.0.0.1",
                address=address or "every address",
            )
        return cls(LOOPBACK_NAMES | named)

    @property
    def token(self) -> str | None:
        """What lets everybody in who knows it; None where there is none."""
        return self.sign_in.token if isinstance(self.sign_in, TokenSignIn) else None

    def confine(self, environment: dict[str, str] | os._Environ[str]) -> None:
        """Where others are let in, models and texts come from folders that were named, unless the owner said which."""
        if self.sign_in is not None:
            environment.setdefault(roots.VARIABLE, "")


def is_loopback(address: str | None) -> bool:
    """Whether only this machine reaches a server at `address`."""
    if address is None:
        return False
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"
