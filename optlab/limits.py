"""How much work one person, and all together, may ask for at once.

Nothing is limited for somebody alone at a machine. Who lets others in sets what fits the machine, each in the
environment of the dashboard:

    OPTLAB_MAX_WAITING          runs of one person that wait or work
    OPTLAB_MAX_WAITING_IN_ALL   runs of everybody
    OPTLAB_MAX_TOKENS           tokens of text that a run may measure on or calibrate with
    OPTLAB_MAX_TRAINING_STEPS   steps of training in a recipe
    OPTLAB_MAX_MEMORY_MB        megabytes (10^6 bytes) of memory that measuring a recipe is expected to take at its peak
    OPTLAB_MAX_MINUTES          minutes that a run may work; then it is stopped with a sentence

Admins are held to them too: a limit says what the machine can do, not whom one trusts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from optlab.errors import OptLabError
from optlab.recipes import Recipe

PREFIX = "OPTLAB_MAX_"
MEGABYTE = 10**6


class LimitError(OptLabError):
    """More was asked for than this dashboard allows; the message says the limit."""


@dataclass(frozen=True)
class Limits:
    """None: no limit."""

    waiting: int | None = None
    waiting_in_all: int | None = None
    tokens: int | None = None
    training_steps: int | None = None
    memory_mb: int | None = None
    minutes: int | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Raises OptLabError for one that is no whole number above 0."""
        return cls(**{name: _number(PREFIX + name.upper(), environment) for name in cls.__dataclass_fields__})

    def check_queue(self, own: int, in_all: int) -> None:
        """own, in_all: runs that wait or work already. Raises LimitError where one more is too many."""
        if self.waiting is not None and own >= self.waiting:
            raise LimitError(
                "at most {limit} of your runs may wait or work at once; wait for one, or cancel it", limit=self.waiting
            )
        if self.waiting_in_all is not None and in_all >= self.waiting_in_all:
            raise LimitError(
                "at most {limit} runs of everybody may wait or work at once; try again later", limit=self.waiting_in_all
            )

    def check_tokens(self, tokens: int) -> None:
        """tokens: of the text that is read. Raises LimitError."""
        if self.tokens is not None and tokens > self.tokens:
            raise LimitError("{tokens} tokens were asked for; {limit} are allowed here", tokens=tokens,
                             limit=self.tokens)  # fmt: skip

    def check_recipe(self, recipe: Recipe) -> None:
        """Raises LimitError for more steps of training than are allowed."""
        steps = sum(int(step.values.get("steps") or 0) for step in recipe.steps)
        if self.training_steps is not None and steps > self.training_steps:
            raise LimitError("the recipe trains for {steps} steps; {limit} are allowed here", steps=steps,
                             limit=self.training_steps)  # fmt: skip

    def check_memory(self, expected_bytes: int) -> None:
        """expected_bytes: the peak of a run, as predicted before it starts. Raises LimitError."""
        if self.memory_mb is not None and expected_bytes > self.memory_mb * MEGABYTE:
            raise LimitError("measuring this takes about {needed} MB of memory; {limit} are allowed here",
                             needed=round(expected_bytes / MEGABYTE), limit=self.memory_mb)  # fmt: skip

    def check_time(self, seconds: float) -> None:
        """seconds: that a run has worked. Raises LimitError."""
        if self.minutes is not None and seconds > 60 * self.minutes:
            raise LimitError("a run may work for {limit} min here, and this one was stopped", limit=self.minutes)


def _number(name: str, environment: Mapping[str, str]) -> int | None:
    given = environment.get(name, "").strip()
    if not given:
        return None
    if not given.isdecimal() or len(given) > 12 or int(given) < 1:
        raise OptLabError("{name} is {given!r}; it must be a whole number above 0", name=name, given=given)
    return int(given)
