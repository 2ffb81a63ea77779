"""The command that asks original and compressed model the questions of tasks; each task is a run in the store."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optlab.cli.console import Json, opened, reporter
from optlab.errors import OptLabError, TextError
from optlab.progress import Progress, span
from optlab.store.safe_json import finite

if TYPE_CHECKING:
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe
    from optlab.results.tasks import TaskResult


def tasks(
    model: Annotated[
        str | None, typer.Argument(help="Catalog name, folder in hub layout, .gguf file, or hub id; none lists tasks.")
    ] = None,
    recipe: Annotated[
        list[Path] | None, typer.Option(help="Recipe file (YAML) of a compressed model; repeat it.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Name of a task; repeat it. Default: all.")] = None,
    points: Annotated[
        float | None, typer.Option(help="Stop once the interval of a difference is narrower than so many hundredths.")
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Ask of each task what the original reads in about so many tokens; default: all."),
    ] = None,
    harness: Annotated[
        list[str] | None,
        typer.Option(help="Name of a task of lm-evaluation-harness, where it is installed; repeat it."),
    ] = None,
    harness_folder: Annotated[
        Path | None, typer.Option(help="Folder of further tasks of lm-evaluation-harness (YAML).")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each task of lm-evaluation-harness.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: what is fastest here.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    again: Annotated[bool, typer.Option("--again", help="Ask anew what is in the store already.")] = False,
    as_json: Json = False,
) -> None:
    """Ask MODEL and what recipes make of it the same questions: scores, paired differences, answers that flip."""
    from optlab.api import protocol_of
    from optlab.client.task_words import tasks_in_words
    from optlab.evaluation import tasks as registry
    from optlab.recipes import Recipe

    if model is None:
        for one in registry.tasks():
            print(f"{one.name:<18}{one.title}: {one.summary} ({one.source})")
        return
    asked = list(dict.fromkeys(task or registry.REGISTRY))
    if unknown := [name for name in asked if name not in registry.REGISTRY]:
        raise OptLabError(f"there is no task {unknown[0]!r}; there are {', '.join(registry.REGISTRY)}")
    recipes = {file.stem: Recipe.from_file(file) for file in recipe or []} or {"original": Recipe()}
    if len(recipes) < len(recipe or []):
        raise OptLabError("two recipe files have one name, which names their rows; rename one")
    settings = _Settings(
        model, protocol_of({"dtype": dtype, "device": device}), points, tokens, again, reporter(as_json)
    )
    if harness:
        found = _by_harness(settings, recipes, harness, harness_folder, limit)
    else:
        found = _asked(settings, recipes, asked, strict=bool(task))
    if as_json:
        plain = {label: {name: one.to_dict() for name, one in results.items()} for label, results in found.items()}
        print(json.dumps(finite(plain if len(plain) > 1 else next(iter(plain.values()))), indent=2, allow_nan=False))
    else:
        print(tasks_in_words(found))


@dataclass(frozen=True)
class _Settings:
    """What is the same for every task and recipe."""

    model: str
    protocol: Protocol
    points: float | None
    tokens: int | None
    again: bool
    report: Progress


def _asked(
    settings: _Settings, recipes: Mapping[str, Recipe], names: Sequence[str], strict: bool
) -> dict[str, dict[str, TaskResult]]:
    """Results by recipe and task. strict: a task that cannot be asked ends it; else it is told and left out."""
    from optlab import foreground
    from optlab.jobs.tasks import TASKS

    found: dict[str, dict[str, TaskResult]] = {label: {} for label in recipes}
    steps = [(name, label) for label in recipes for name in names]
    with opened() as client:
        for number, (name, label) in enumerate(steps):
            part = span(settings.report, number / len(steps), (number + 1) / len(steps))
            chosen = recipes[label]
            try:
                run = foreground.ask(client, name, settings.model, chosen, settings.protocol, part, settings.again,
                                     settings.points, settings.tokens)  # fmt: skip
            except TextError as error:
                if strict:
                    raise
                print(f"{name} is left out: {error.message}", file=sys.stderr)
                continue
            result = TASKS.result_of(run)
            assert result is not None  # the run is done
            found[label][name] = result
    return found


def _by_harness(
    settings: _Settings, recipes: Mapping[str, Recipe], names: Sequence[str], folder: Path | None, limit: int | None
) -> dict[str, dict[str, TaskResult]]:
    """Results by recipe and task of lm-evaluation-harness; they are no runs of the store."""
    from optlab.evaluation import harness
    from optlab.jobs import model_cache
    from optlab.jobs.compressed_cache import packed

    found = {}
    with opened() as client:
        subject = client.subject(settings.model, settings.protocol)
    protocol = subject.protocol
    base = model_cache.model(subject.model, "float32", protocol.device)
    for number, (label, recipe) in enumerate(recipes.items()):
        part = span(settings.report, number / len(recipes), (number + 1) / len(recipes))
        candidate = packed(base, recipe, protocol, span(part, 0.0, 0.3))[0].model
        original, compressed = (one.to(dtype=protocol.dtype) for one in (base, candidate))
        found[label] = harness.evaluate(original, compressed, names, folder, limit, span(part, 0.3, 1.0))
    return found
