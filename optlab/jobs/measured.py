"""Runs read as what they are: a measurement with its spec and result, or the reason why it cannot be read.

A row may be damaged, or be of a newer version or of methods that are no more. Whoever lists runs shows such a one as
unreadable (`unreadable`) and goes on with the others (`readable`), so that no page, report or archive breaks over it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from optlab.errors import OptLabError
from optlab.i18n import language, said
from optlab.jobs.measure import MEASURE
from optlab.jobs.registry import kind_of
from optlab.knobs import Knobs, has_knobs, knobs_of
from optlab.messages import Message, say
from optlab.recipes import Recipe
from optlab.results.document import UnreadableError
from optlab.results.measurement import Headline, Measurement, MeasureSpec
from optlab.store.run import Run

WORDS_KEPT = 20_000
_in_words: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class MeasuredRun:
    """A finished measurement. headline: what is read of every one of them; `result` is the whole."""

    run: Run
    spec: MeasureSpec
    headline: Headline

    @property
    def id(self) -> int:
        """The run's number."""
        return self.run.id

    @property
    def result(self) -> Measurement:
        """The whole result, read again unless that was done a moment ago: for the few that are shown in full."""
        return cast(Measurement, MEASURE.result_of(self.run))

    @cached_property
    def recipe_hash(self) -> str:
        """Of its recipe, which takes longer to work out than to compare."""
        return self.spec.recipe.content_hash

    @cached_property
    def knobs(self) -> Knobs | None:
        """Where the knobs stand for its recipe; None where three knobs cannot stand for it."""
        recipe = self.spec.recipe
        return knobs_of(recipe) if isinstance(recipe, Recipe) and has_knobs(recipe) else None

    @property
    def title(self) -> str:
        """The recipe in words, a message; the run's title where this version does not know a method of it."""
        return self.spec.recipe.describe() if isinstance(self.spec.recipe, Recipe) else self.run.title


def in_words(one: MeasuredRun) -> str:
    """Its title in the language of the reader, put together once: a page of a full store reads thousands of them."""
    key = one.run.key, language()  # of everything that the title tells, the recipe among it
    words = _in_words.get(key)
    if words is None:
        if len(_in_words) >= WORDS_KEPT:
            _in_words.clear()
        words = _in_words[key] = said(one.title)
    return words


def measured(run: Run) -> MeasuredRun | None:
    """None for a run of another kind, and for one that is not done. Raises UnreadableError."""
    result = MEASURE.result_of(run) if run.kind == MEASURE.name and run.done else None
    return None if result is None else MeasuredRun(run, MEASURE.spec_of(run), result.headline)


def readable(runs: Iterable[Run]) -> list[MeasuredRun]:
    """The finished measurements among `runs` that can be read, in their order."""
    found = []
    for run in runs:
        try:
            one = measured(run)
        except UnreadableError:
            continue
        if one is not None:
            found.append(one)
    return found


def unreadable(run: Run) -> Message | None:
    """Why a run cannot be read, as a sentence; None for one that can."""
    try:
        kind = kind_of(run.kind)
        kind.spec_of(run)
        if kind.result_of(run) is None:
            kind.partial_of(run)
    except OptLabError as error:
        return unreadable_because(run, error)
    return None


def unreadable_because(run: Run, error: OptLabError) -> Message:
    """The sentence for a run whose reading raised `error`."""
    return say("run {id} cannot be read: {why}", id=run.id, why=error.message)
