"""Write docs/reference.md, the reference of methods and commands, from their own declarations: `make reference`.

What the page of a parameter says is what its declaration says; `tests/test_reference.py` fails when the file differs.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from optlab.cli.main import app
from optlab.methods import METHOD_KEY, REGISTRY, Parameter, method
from optlab.protocol import Protocol

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "reference.md"
HEAD = """# Reference

Made by `make reference` from the declarations in the code; do not edit it by hand.
"""


def text() -> str:
    """The whole file."""
    return "\n".join([HEAD, "## Methods", *methods(), "## Protocol", *protocol(), "## Commands", *commands()]) + "\n"


def methods() -> Iterator[str]:
    """Every method with its source and its parameters."""
    for kind in REGISTRY:
        for name in REGISTRY[kind]:
            found = method(kind, name)
            yield f"\n### {kind}: `{METHOD_KEY[kind]}: {name}`\n"
            yield f"{found.title}. {found.summary} Source: {found.source}."
            yield "\n| parameter | default | allowed | what it does |\n|---|---|---|---|"
            yield from (row(parameter) for parameter in found.parameters)
    yield ""


def row(parameter: Parameter) -> str:
    """One parameter as a row of a table."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    return " | ".join(
        [f"| `{parameter.name}`", f"{parameter.default}{unit}", cell(parameter.allowed()), cell(parameter.help) + " |"]
    )


def protocol() -> Iterator[str]:
    """The settings of a measurement."""
    yield "\n" + inspect.cleandoc(Protocol.__doc__ or "") + "\n\n| setting | default |\n|---|---|"
    yield from (f"| `{name}` | {field.default} |" for name, field in Protocol.model_fields.items())
    yield ""


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    yield from group(typer.main.get_command(app), "optlab")


def group(command: Any, path: str) -> Iterator[str]:
    """A command, or all commands of a group."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            if not inner.hidden:
                yield from group(inner, f"{path} {name}")
        return
    yield f"\n### `{path}`\n"
    yield " ".join((command.help or "").split())
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    if shown:
        yield "\n| argument | default | what it is |\n|---|---|---|"
    for parameter in shown:
        option = parameter.param_type_name == "option"
        name = ", ".join(parameter.opts) if option else str(parameter.name).upper()
        default = "required" if parameter.required else parameter.default
        empty = default is None or default is False or default == ()
        yield f"| `{name}` | {'' if empty else default} | {cell(parameter.help or '')} |"


def cell(words: str) -> str:
    """Words that may stand in a table."""
    return " ".join(words.split()).replace("|", "\\|")


def main() -> int:
    """Write the file."""
    TARGET.write_text(text(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
