"""Who asks for work, and what each may do.

A person at the terminal, and everybody where there is no sign-in or one shared token, is the owner: an admin without a
name. With a sign-in by name (`OPTLAB_AUTH=oidc`) the owner lists who is more than a viewer:

    OPTLAB_ADMINS   may also stop and delete what others started, and clear caches
    OPTLAB_USERS    may start work, and stop and delete their own

Both are addresses with `,` between them; `*@example.org` names everybody there, `*` everybody who can sign in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from optlab.errors import OptLabError

ADMINS, USERS = "OPTLAB_ADMINS", "OPTLAB_USERS"


class Role(IntEnum):
    """Each may do what those below may."""

    VIEWER = 0
    USER = 1
    ADMIN = 2


class NotAllowedError(OptLabError):
    """The person who asks may not do this."""


@dataclass(frozen=True)
class Person:
    """name: the address that a sign-in vouches for; '' for the owner of the account that OptLab runs under."""

    name: str
    role: Role

    @property
    def starts_work(self) -> bool:
        """Whether runs may be asked for."""
        return self.role >= Role.USER

    def expect_to_start_work(self) -> None:
        """Raises NotAllowedError for a viewer."""
        if not self.starts_work:
            raise NotAllowedError(
                "{name} may look and not start work; the owner adds people in {variable}",
                name=self.name or "whoever is not signed in", variable=USERS,
            )  # fmt: skip

    def expect_to_change(self, owner: str) -> None:
        """Raises NotAllowedError for a run that somebody else started, unless by an admin."""
        self.expect_to_start_work()
        if self.role < Role.ADMIN and owner != self.name:
            raise NotAllowedError(
                "{owner} started this run; only they and admins may stop, repeat or delete it",
                owner=owner or "the owner of this dashboard",
            )

    def expect_to_keep_house(self) -> None:
        """Raises NotAllowedError unless by an admin."""
        if self.role < Role.ADMIN:
            raise NotAllowedError("only admins may do this; the owner names them in {variable}", variable=ADMINS)


OWNER = Person("", Role.ADMIN)
NOBODY = Person("", Role.VIEWER)


def person(address: str, environment: Mapping[str, str]) -> Person:
    """Who has signed in as `address`, with the role that the owner gave."""
    name = address.strip().lower()
    for variable, role in ((ADMINS, Role.ADMIN), (USERS, Role.USER)):
        if any(_named(name, one.strip().lower()) for one in environment.get(variable, "").split(",")):
            return Person(name, role)
    return Person(name, Role.VIEWER)


def _named(name: str, listed: str) -> bool:
    if listed.startswith("*@"):
        return name.endswith(listed[1:]) and "@" not in name[: -len(listed[1:])]
    return bool(name) and listed in ("*", name)
