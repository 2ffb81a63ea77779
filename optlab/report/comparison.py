"""What a report is about: finished measurements that compare, and everything a reader needs to check them.

The same data stand in the HTML for people (`optlab.report.document`) and, as JSON, for programs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optlab import __version__
from optlab.client import records
from optlab.errors import OptLabError, RecipeError
from optlab.recipes import Recipe
from optlab.report import links
from optlab.store.run import Run
from optlab.store.safe_json import finite

FORMAT = "optlab-report"
VERSION = 1
MOST = 50
"""Runs in one report; a longer comparison is a table."""


@dataclass(frozen=True)
class Comparison:
    """Runs of one model on one text, newest first. base: where the dashboard that reopens them is served."""

    runs: tuple[Run, ...]
    base: str = links.ADDRESS

    def __post_init__(self) -> None:
        if not self.runs:
            raise OptLabError("there is no finished measurement to report; measure something first")
        if len(self.runs) > MOST:
            raise OptLabError(
                "{run_count} measurements are too many for one report; choose at most {most}",
                run_count=len(self.runs),
                most=MOST,
            )
        for run in self.runs:
            if run.kind != "measure" or not run.done:
                raise OptLabError(
                    "run {id} is no finished measurement ({kind}, {status})",
                    id=run.id,
                    kind=run.kind,
                    status=run.status,
                )
        for name in ("model", "text"):
            found = sorted({str((run.result or {}).get(name)) for run in self.runs})
            if len(found) > 1:
                raise OptLabError(
                    "perplexities of different {name}s do not compare; choose one of {found}",
                    name=name,
                    found=", ".join(found),
                )

    @property
    def model(self) -> str:
        return str(self.runs[0].spec["model"])

    @property
    def text(self) -> str:
        return str((self.runs[0].result or {}).get("text"))

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
                "runs": [self._one(run) for run in self.runs],
            }
        )

    def address(self, run: Run) -> str | None:
        """What reopens the run; None when its recipe is of another version of OptLab."""
        try:
            return links.address_of_run(run.spec, self.base)
        except (RecipeError, ValueError):
            return None

    def _one(self, run: Run) -> dict[str, Any]:
        kept = {name: value for name, value in (run.result or {}).items() if name != "artefact"}
        return {
            "run": run.id,
            "key": run.key,
            "title": records.in_words(run),
            "recipe": run.spec["recipe"],
            "settings": run.spec.get("protocol"),
            "finished": run.finished,
            "predicted": run.spec.get("predicted"),
            "result": kept,
            "command": reproduced(run),
            "address": self.address(run),
        }


def recipe_yaml(run: Run) -> str:
    """The recipe of a run as a file; '' when this version of OptLab does not know its method."""
    try:
        return Recipe.from_dict(run.spec["recipe"]).to_yaml()
    except RecipeError:
        return ""


def reproduced(run: Run) -> str | None:
    """The line that measures a run again; None when its recipe is of another version of OptLab."""
    try:
        return links.reproduce(run.spec)
    except (RecipeError, ValueError):
        return None


def chosen(runs: Sequence[Run], model: str | None = None, text: str | None = None) -> list[Run]:
    """Finished measurements among `runs` of that model and text; of the newest one's where they are not given."""
    done = [run for run in runs if run.kind == "measure" and run.done and run.result]
    done = [run for run in done if model in (None, run.spec["model"]) and text in (None, _subject(run)[1])]
    return [run for run in done if _subject(run) == _subject(done[0])]


def _subject(run: Run) -> tuple[str, str]:
    """What has to be the same for two measurements to compare."""
    return run.spec["model"], str((run.result or {}).get("text"))
