"""A database whose file is damaged: how it is recognized, and the sentence that says how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from optlab.errors import OptLabError

WORDS = ("malformed", "not a database", "disk image", "unsupported file format")
"""What SQLite says of a file whose bytes are wrong, and of no other trouble."""


class DamagedStoreError(OptLabError):
    """The file of the store is not the database that was written."""


def is_damage(error: BaseException) -> bool:
    """Whether a database says that its file is damaged; a lock or a full disk is none."""
    return any(word in str(getattr(error, "orig", error)).lower() for word in WORDS)


def damaged(url: str, what: str) -> DamagedStoreError:
    """The error for the store at `url`. what: what is wrong with it, as the database says it."""
    return DamagedStoreError(
        "the store {shown} is damaged ({what}); `optlab restore FILE` brings a backup back, `optlab check --rescue` "
        "keeps what can still be read, or set OPTLAB_STORE to a new file",
        shown=sa.make_url(url).render_as_string(hide_password=True),
        what=what.strip(),
    )


@contextmanager
def damaged_error(url: str) -> Iterator[None]:
    """Inside, a database that says it is damaged raises DamagedStoreError."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        if is_damage(error):
            raise damaged(url, str(error.orig)) from error
        raise
