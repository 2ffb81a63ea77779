"""The command that asks original and compressed model the questions of tasks; each task is a run in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from optlab.cli.console import Json, opened, reporter
from optlab.errors import OptLabError
from optlab.progress import span


def tasks(
    model: Annotated[
        str | None, typer.Argument(help="Catalog name, folder in hub layout, .gguf file, or hub id; none lists tasks.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML) of the compressed model.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Name of a task; repeat it. Default: all.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: what is fastest here.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    again: Annotated[bool, typer.Option("--again", help="Ask anew what is in the store already.")] = False,
    as_json: Json = False,
) -> None:
    """Ask MODEL and what a recipe makes of it the same questions: accuracy, paired difference, answers that flip."""
    from optlab import foreground
    from optlab.api import protocol_of
    from optlab.client.summary import tasks_in_words
    from optlab.evaluation import tasks as registry
    from optlab.jobs.tasks import TASKS
    from optlab.recipes import Recipe

    if model is None:
        for one in registry.tasks():
            print(f"{one.name:<16}{one.title}: {one.summary} ({one.source})")
        return
    asked = list(dict.fromkeys(task or registry.REGISTRY))
    if unknown := [name for name in asked if name not in registry.REGISTRY]:
        raise OptLabError(f"there is no task {unknown[0]!r}; there are {', '.join(registry.REGISTRY)}")
    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    protocol, report = protocol_of({"dtype": dtype, "device": device}), reporter(as_json)
    found = {}
    with opened() as client:
        for number, name in enumerate(asked):
            part = span(report, number / len(asked), (number + 1) / len(asked))
            run = foreground.ask(client, name, model, chosen, protocol, part, again)
            result = TASKS.result_of(run)
            assert result is not None  # the run is done
            found[name] = result
    print(
        json.dumps({name: result.to_dict() for name, result in found.items()}, indent=2, allow_nan=False)
        if as_json
        else tasks_in_words(found)
    )
