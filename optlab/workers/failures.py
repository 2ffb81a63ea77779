"""What a person reads when a run fails: one sentence that says what happened and what to do about it.

Running out of memory or disk reaches us in several disguises (Python's own exceptions, sentences of torch, of
safetensors, of SQLite), so the whole chain of causes is looked at.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from optlab import paths
from optlab.errors import OptLabError
from optlab.messages import Message, say

DISK_WORDS = ("no space left", "disk is full", "quota exceeded")
MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")


def sentence(error: BaseException) -> Message:
    """The sentence for `error`."""
    for cause in chain(error):
        if _says(cause, DISK_WORDS) or getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return say(
                "the disk of {home} is full; free some of it with `optlab cache clean` or on the page Runs under Disk, "
                "or set OPTLAB_HOME to a larger disk",
                home=paths.home(),
            )
        if isinstance(cause, MemoryError) or _says(cause, MEMORY_WORDS):
            return say("there is not enough memory for this run; use a smaller model, bfloat16, or a shorter context")
    if isinstance(error, OptLabError):
        return error.message
    return say("unexpected error: {kind}: {error}", kind=type(error).__name__, error=error)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what caused it, the newest first."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return not isinstance(error, OptLabError) and any(word in text for word in words)
