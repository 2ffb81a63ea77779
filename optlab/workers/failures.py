"""What a person reads when a run fails: one sentence that says what happened and what to do about it.

Running out of memory or disk reaches us in several disguises (Python's own exceptions, sentences of torch, of
safetensors, of SQLite), so the whole chain of causes is looked at.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from optlab import paths
from optlab.errors import OptLabError
from optlab.messages import Message, say

DISK_WORDS = ("no space left", "disk is full", "quota exceeded")
READ_ONLY_WORDS = ("readonly database", "read-only file system")
MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")


def sentence(error: BaseException) -> Message:
    """The sentence for `error`."""
    if (told := of_the_disk(error)) is not None:
        return told
    for cause in chain(error):
        if isinstance(cause, MemoryError) or _says(cause, MEMORY_WORDS):
            return say("there is not enough memory for this run; use a smaller model, bfloat16, or a shorter context")
    if isinstance(error, OptLabError):
        return error.message
    return say("unexpected error: {kind}: {error}", kind=type(error).__name__, error=error)


def of_the_disk(error: BaseException) -> Message | None:
    """The sentence for an error that says that the disk is full, or may not be written to; None for any other."""
    for cause in chain(error):
        number = getattr(cause, "errno", None)
        if _says(cause, DISK_WORDS) or number in (errno.ENOSPC, errno.EDQUOT):
            return say(
                "the disk of {home} is full; free some of it with `optlab cache clean` or on the page Runs under Disk, "
                "or set OPTLAB_HOME to a larger disk",
                home=paths.home(),
            )
        if _says(cause, READ_ONLY_WORDS) or number == errno.EROFS:
            return say(
                "the disk of {home} may only be read; make it writable, or set OPTLAB_HOME to a folder that you may "
                "write to",
                home=paths.home(),
            )
    return None


def of_the_store(error: BaseException) -> Message | None:
    """The sentence for an error of the database of runs, and for any of the disk; None for what somebody did wrong."""
    told = of_the_disk(error)
    if told is None and isinstance(error, SQLAlchemyError):
        return say("the run store did not respond; wait a moment and try again")
    return told


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what caused it, the newest first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return not isinstance(error, OptLabError) and any(word in text for word in words)
