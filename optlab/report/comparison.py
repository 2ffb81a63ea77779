"""What a report is about: finished measurements that compare, and everything a reader needs to check them.

The same data stand in the HTML for people (`optlab.report.document`) and, as JSON, for programs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optlab import __version__
from optlab.errors import OptLabError, RecipeError
from optlab.i18n import said
from optlab.jobs.measured import MeasuredRun, readable, unreadable
from optlab.messages import Message
from optlab.recipes import Recipe
from optlab.report import links
from optlab.results.tasks import TaskResult
from optlab.store.run import Run
from optlab.store.safe_json import finite

FORMAT = "optlab-report"
VERSION = 1
MOST = 50
"""Runs in one report; a longer comparison is a table."""


@dataclass(frozen=True)
class Comparison:
    """Measurements of one model on one text, newest first. base: where the dashboard that reopens them is served.
    unread: of what was asked for, why it cannot be read; a sentence each. asked: results of tasks, by number of the run
    and name of the task."""

    measured: tuple[MeasuredRun, ...]
    base: str = links.ADDRESS
    unread: tuple[Message, ...] = ()
    asked: Mapping[int, Mapping[str, TaskResult]] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Sequence[Run], base: str = links.ADDRESS) -> Comparison:
        """A report of `runs`. Raises OptLabError where one is no finished measurement, where none can be read, and
        where they do not compare."""
        for run in runs:
            if run.kind != "measure" or not run.done:
                raise OptLabError(
                    "run {id} is no finished measurement ({kind}, {status})",
                    id=run.id,
                    kind=run.kind,
                    status=run.status,
                )
        return cls(tuple(readable(runs)), base, tuple(why for run in runs if (why := unreadable(run)) is not None))

    def __post_init__(self) -> None:
        if not self.measured:
            if self.unread:
                raise OptLabError("{why}", why=self.unread[0])
            raise OptLabError("there is no finished measurement to report; measure something first")
        if len(self.measured) > MOST:
            raise OptLabError(
                "{run_count} measurements are too many for one report; choose at most {most}",
                run_count=len(self.measured),
                most=MOST,
            )
        self._check_one("model", {run.spec.model for run in self.measured})
        self._check_one("text", {run.result.text for run in self.measured})

    @staticmethod
    def _check_one(name: str, found: set[str]) -> None:
        if len(found) > 1:
            raise OptLabError(
                "perplexities of different {name}s are not comparable; choose one of {found}",
                name=name,
                found=", ".join(sorted(found)),
            )

    @property
    def model(self) -> str:
        return self.measured[0].spec.model

    @property
    def text(self) -> str:
        return self.measured[0].result.text

    def to_dict(self) -> dict[str, Any]:
        """The whole report as plain JSON; numbers that are not finite are None."""
        return finite(
            {
                "format": FORMAT,
                "version": VERSION,
                "optlab": __version__,
                "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "model": self.model,
                "text": self.text,
                "runs": [self._one(run) for run in self.measured],
            }
        )

    def address(self, run: MeasuredRun) -> str | None:
        """What reopens the run; None when its recipe is of another version of OptLab."""
        try:
            return links.address_of_run(run.spec, self.base)
        except RecipeError:
            return None

    def _one(self, run: MeasuredRun) -> dict[str, Any]:
        result = run.result.model_copy(update={"artefact": None})
        return {
            "run": run.id,
            "key": run.run.key,
            "title": said(run.title),
            "recipe": run.spec.recipe.to_dict(),
            "settings": run.spec.protocol.model_dump(mode="json"),
            "finished": run.run.finished,
            "predicted": None if run.spec.predicted is None else run.spec.predicted.to_dict(),
            "result": result.to_dict(),
            "tasks": {name: one.to_dict() for name, one in self.asked.get(run.id, {}).items()},
            "command": reproduced(run),
            "address": self.address(run),
        }


def recipe_yaml(run: MeasuredRun) -> str:
    """The recipe of a run as a file; '' when this version of OptLab does not know its method."""
    return run.spec.recipe.to_yaml() if isinstance(run.spec.recipe, Recipe) else ""


def reproduced(run: MeasuredRun) -> str | None:
    """The line that measures a run again; None when its recipe is of another version of OptLab."""
    try:
        return links.reproduce(run.spec)
    except RecipeError:
        return None


def chosen(measured: Iterable[MeasuredRun], model: str | None = None, text: str | None = None) -> list[MeasuredRun]:
    """Those of that model and text; of the first one's where they are not given."""
    done = [run for run in measured if model in (None, run.spec.model) and text in (None, run.headline.text)]
    return [run for run in done if _subject(run) == _subject(done[0])]


def _subject(run: MeasuredRun) -> tuple[str, str]:
    """What has to be the same for two measurements to compare."""
    return run.spec.model, run.headline.text
