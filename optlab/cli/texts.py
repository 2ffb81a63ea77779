"""`optlab texts`: which texts there are, and what is taken of a person's own file."""

from __future__ import annotations

from typing import Annotated

import typer

from optlab.cli.console import Json, show

app = typer.Typer(no_args_is_help=True, help="Texts to measure on and to calibrate with.")


@app.command(name="list")
def list_texts(as_json: Json = False) -> None:
    """List the named texts."""
    from dataclasses import asdict

    from optlab.texts.names import names

    cards = names()
    table = "\n".join(f"{card.name:14} {card.title}: {card.summary}" for card in cards)
    show([asdict(card) for card in cards], as_json, lambda _: table)


@app.command(name="show")
def show_text(
    text: Annotated[str, typer.Argument(help="A named text, PATH, or PATH#COLUMN of a table.")], as_json: Json = False
) -> None:
    """Show what is taken of TEXT: its format, column, documents and first lines."""
    from optlab.texts.excerpt import excerpt

    found = excerpt(text)
    show(found.to_dict(), as_json, lambda _: "\n".join([str(found.words), "", *found.lines]))
