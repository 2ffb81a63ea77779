"""The commands about recipes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optlab.cli.console import Json, reporter, show

app = typer.Typer(no_args_is_help=True, help="Recipes, and what other tools make of them.")


@app.callback()
def root() -> None:
    """Recipes, and what other tools make of them."""


@app.command()
def export(
    recipe: Annotated[Path, typer.Argument(help="Recipe file: ours, llm-compressor's, or a quantize_config.json.")],
    tool: Annotated[str, typer.Option("--for", help="llm-compressor, gptqmodel, auto-round or llama-quantize.")],
    model: Annotated[str | None, typer.Option(help="For which model; needed where layers are named.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; none prints it.")] = None,
    as_json: Json = False,
) -> None:
    """Write RECIPE in the words of another tool."""
    from optlab import files
    from optlab.errors import OptLabError
    from optlab.models.describe import describe
    from optlab.recipe_writers.tools import tool_of
    from optlab.recipes import Recipe

    chosen, asked = tool_of(tool), Recipe.from_file(recipe)
    names = [name for name, _ in describe(model, progress=reporter(as_json)).linears] if model else []
    text = chosen.text(asked, names)
    if out is not None:
        try:
            files.write_text(out, text)
        except OSError as error:
            raise OptLabError("{file} cannot be written: {why}", file=out, why=error.strerror or error) from None
    found = {"tool": chosen.name, "file": str(out) if out else None, "text": text}
    show(found, as_json, lambda one: one["file"] or one["text"].rstrip("\n"))
