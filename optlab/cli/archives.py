"""The commands that take something along: a report of a comparison, a page of predictions, a project as one archive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optlab import files
from optlab.cli.console import Json, Model, opened, reporter, show
from optlab.errors import OptLabError
from optlab.store.run import Run, Status

if TYPE_CHECKING:
    from optlab.client.client import Client

Numbers = Annotated[list[int] | None, typer.Option("--run", help="Number of a run; repeat it. Default: all that fit.")]
ENDINGS = (".html", ".pdf", ".json")


def report(
    out: Annotated[Path, typer.Argument(help="The .html, .pdf or .json file to write.")],
    run: Numbers = None,
    model: Annotated[str | None, typer.Option(help="Only measurements of this model; default: the newest's.")] = None,
    text: Annotated[str | None, typer.Option(help="Only measurements on this text; default: the newest's.")] = None,
    as_json: Json = False,
) -> None:
    """Write finished measurements of one model and text as a report that opens without a network."""
    from optlab.client.task_results import answered
    from optlab.report import ahead, comparison, document, pdf
    from optlab.store.safe_json import dumps

    if out.suffix.lower() not in ENDINGS:
        raise OptLabError(f"{out} ends in {out.suffix or 'nothing'}; a report is written as {', '.join(ENDINGS)}")
    with opened() as client:
        if run:
            found = comparison.Comparison.of(_named(client, run))
        else:
            fitting = comparison.chosen(client.measurements(), model, text)
            found = comparison.Comparison(tuple(fitting[: comparison.MOST]))
        found = replace(found, asked={one.id: answered(client, one) for one in found.measured})
        around = ahead.of(client, found) if out.suffix.lower() == ".html" else None
    if out.suffix.lower() == ".json":
        content = dumps(found.to_dict()).encode()
    else:
        page = document.html(found, around)
        content = pdf.pdf(page) if out.suffix.lower() == ".pdf" else page.encode()
    _write(out, content)
    result = {"file": str(out), "bytes": len(content), "runs": [one.id for one in found.measured]}
    show(result, as_json, lambda one: f"{one['file']}: {document.summary(found)}, {one['bytes']:,} bytes")


def page(
    model: Model,
    out: Annotated[Path, typer.Argument(help="The .html file to write.")],
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe file (YAML) whose bits, sparsity and temperature become knobs.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Named text or path; default: the model's own, which is installed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one file to send: knobs that show at once what a recipe costs and saves, without a server or a network."""
    from optlab import foreground
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe
    from optlab.report import page as one_file

    chosen = Recipe.from_file(recipe) if recipe is not None else None
    if out.suffix.lower() != ".html":
        raise OptLabError("{out} does not end in .html, which a page does", out=out)
    with opened() as client:
        foreground.predictor(client, model, reporter(as_json), text)
        content = one_file.of(client, model, chosen, Protocol(text=text)).encode()
    _write(out, content)
    show({"file": str(out), "bytes": len(content)}, as_json, lambda one: f"{one['file']}: {one['bytes']:,} bytes")


def archive(
    out: Annotated[Path, typer.Argument(help="The .zip file to write.")],
    run: Numbers = None,
    as_json: Json = False,
) -> None:
    """Write finished runs and their recipes into one file, to be kept or imported elsewhere."""
    from optlab.report import archive as project

    with opened() as client:
        content = project.write(_named(client, run) if run else client.runs(status=Status.DONE))
    runs, recipes = project.read(content)
    _write(out, content)
    result = {"file": str(out), "bytes": len(content), "runs": len(runs), "recipes": len(recipes)}
    show(
        result,
        as_json,
        lambda one: f"{one['file']}: {one['runs']} runs, {one['recipes']} recipes, {one['bytes']:,} bytes",
    )


def import_archive(
    file: Annotated[Path, typer.Argument(help="An archive that `archive` wrote.")],
    as_json: Json = False,
) -> None:
    """Add the runs of an archive to the store; what is here already stays as it is."""
    from optlab.report import archive as project

    try:
        if not file.is_dir() and not files.is_regular(file):
            raise OptLabError("{file} is not a regular file; give the path of an archive", file=file)
        if file.stat().st_size > project.LARGEST_FILE:
            raise OptLabError(f"{file} has more than {project.LARGEST_FILE >> 20} MB, which no project archive has")
        content = file.read_bytes()
    except OSError as error:
        raise OptLabError(f"cannot read {file}: {error.strerror}") from None
    with opened() as client:
        imported = project.import_archive(content, client)
    result = {"added": imported.added, "known": imported.known, "recipes": imported.recipes}
    show(result, as_json, lambda one: f"{one['added']} runs added, {one['known']} were here already")


def _named(client: Client, numbers: list[int]) -> list[Run]:
    found = {number: client.run(number) for number in numbers}
    missing = [str(number) for number, one in found.items() if one is None]
    if missing:
        raise OptLabError(f"there is no run {', '.join(missing)}; `python -m optlab report` without --run takes all")
    return [one for one in found.values() if one is not None]


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OptLabError(f"cannot write {path}: {error.strerror}") from None
