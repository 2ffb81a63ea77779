"""`python -m optlab ...`: everything the pages can do, scriptable.

With `--json` the result, and nothing else, goes to standard output; progress and messages go to standard error.
Exit codes: 0 done, 1 the run failed, 2 wrong input, 130 interrupted. Torch is imported by the commands that need it,
so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from optlab import __version__
from optlab.cli import (
    archives,
    caches,
    catalog,
    comparing,
    exporting,
    measuring,
    predicting,
    probing,
    recipes,
    runs,
    serving,
    targets,
    tasks,
    texts,
    upkeep,
)
from optlab.errors import OptLabError
from optlab.i18n import said

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def say_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(f"optlab {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=say_version, is_eager=True, help="Print the version.")]


@app.callback()
def root(version: Version = False) -> None:
    """Compress a language model, and measure what it cost and what it saved."""


for command in (
    catalog.models, catalog.methods, catalog.inspect, measuring.measure, measuring.latency, comparing.compare,
    tasks.tasks, targets.targets, predicting.predict, predicting.frontier, exporting.export, archives.report,
    archives.page, archives.archive,
    upkeep.backup, upkeep.restore, upkeep.check, serving.app,
):  # fmt: skip
    app.command()(command)
app.add_typer(probing.app, name="probe")
app.add_typer(runs.app, name="runs")
app.add_typer(recipes.app, name="recipe")
app.add_typer(texts.app, name="texts")
app.add_typer(caches.app, name="cache")
app.command(name="import")(archives.import_archive)
app.command(name="take-in", hidden=True)(archives.import_archive)  # its name in 0.1


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        code = app(standalone_mode=False)  # what a command said with typer.Exit, else None
    except OptLabError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return error.exit_code
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("optlab: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        # typer vendors click's UsageError and does not export it; its show() names the wrong option.
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return int(error.exit_code)
        from optlab.workers import failures  # imports SQLAlchemy, which the help need not wait for

        told = failures.of_the_store(error)
        if told is None:
            raise
        print(f"optlab: {said(told)}", file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0
