"""Troubles that come back at every tick, such as a full disk, are said once in the log, not five times a second."""

from __future__ import annotations

import logging

from sqlalchemy.exc import SQLAlchemyError

from optlab.errors import OptLabError


class Troubles:
    """What disturbs one thread. doing: how a line of the log begins."""

    def __init__(self, log: logging.Logger, doing: str) -> None:
        self.log, self.doing = log, doing
        self._said = ""

    def note(self, error: Exception) -> None:
        """Say it, unless it is what was said last. Only what nobody foresaw is said with its traceback."""
        said = f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"  # without the values of a statement
        if said != self._said:
            foreseen = isinstance(error, (OSError, SQLAlchemyError, OptLabError))
            self.log.error("%s: %s", self.doing, said, exc_info=None if foreseen else error)
        self._said = said

    def over(self) -> None:
        """It went well again: the same trouble would be news."""
        self._said = ""
