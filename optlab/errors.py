"""Errors a person can act on: each message is one sentence that says what is wrong and what would work.

The command line prints the message and exits with `exit_code`; the pages show it in place. Anything that is not an
`OptLabError` is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from typing import Any

from optlab.messages import Message


class OptLabError(Exception):
    """Base of every error that is the input's fault, not the program's.

    template, values: what it says, as `optlab.messages.Message`: `ModelError("there is no {name!r}", name=name)`.
    """

    exit_code = 2

    def __init__(self, template: str = "", /, **values: Any) -> None:
        self.message = template if isinstance(template, Message) and not values else Message(template, **values)
        super().__init__(str(self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,)


class RecipeError(OptLabError, ValueError):
    """A recipe asks for something that does not exist or does not fit the model."""


class ModelError(OptLabError):
    """A model cannot be found, read or trusted."""


class TextError(OptLabError):
    """A text cannot be found, decoded, or is too short."""


class MeasurementError(OptLabError):
    """A measurement cannot be made on this machine or with these settings."""

    exit_code = 1


class Cancelled(OptLabError):  # noqa: N818  it is a wish, not an error
    """A person asked for the work to stop."""

    exit_code = 130
