"""Find what the library says without knowing its reader: errors, progress, names of recipes, notes (`words.said`).

These are f-strings, filled in when they are said, so they cannot be wrapped in `_`. They are read from the syntax tree
as templates: `f"unknown step {kind!r}; use {names}"` becomes `unknown step {0}; use {1}`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

NAMING = {"describe", "_where", "_by_layer"}
"""Functions that name a recipe: `said` reads what stands between commas for itself, so it is collected so."""
SPEAKING = {"allowed", "_range", "note_of", "note_for", "notes_for"}
"""Functions whose strings are all said, wherever they are."""
NAMING_IN = {"optlab/prune/pattern.py": {"in_words"}}
SPEAKING_IN = {"optlab/predict/ledger.py": {"in_words"}, "optlab/kernels/runtime.py": {"runtime"}}
REPORTING = {"progress": 1, "interrupt": 1, "submit": 3, "append_note": 0}
"""Functions that are called with what is said, and the place of that argument."""
TERMINAL = ("optlab/cli/", "optlab/client/summary.py", "optlab/foreground.py")
"""What only the command line says stays English, as its commands and options are."""
SIDES = ("base", "candidate")
"""What a measurement calls the two models while it times them."""
WORD = re.compile(r"[A-Za-z]{2,}")

Parts = list[str | ast.expr]
"""A text, cut where values stand in it."""
Template = tuple[str, str]
"""The message, and the code of its values, for the translator."""


def errors_of(trees: dict[str, ast.Module]) -> set[str]:
    """Names of OptLabError and of every class that descends from it."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    known = {"OptLabError"}
    while more := {name for name, above in bases.items() if above & known} - known:
        known |= more
    return known


def templates(name: str, tree: ast.Module, errors: set[str]) -> Iterator[Template]:
    """What the file `name` says. errors: `errors_of` all files."""
    if name.startswith(TERMINAL):
        return
    naming = NAMING | NAMING_IN.get(name, set())
    speaking = SPEAKING | SPEAKING_IN.get(name, set())
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _called(node.exc) in errors:
            for argument in node.exc.args[:1]:
                yield from _sentences(argument)
        elif isinstance(node, ast.Call) and _called(node) in REPORTING:
            for argument in node.args[REPORTING[_called(node)] :][:1]:
                yield from _sentences(argument)
        elif isinstance(node, ast.FunctionDef) and node.name in naming | speaking:
            for found in _outermost(node):
                yield from _sentences(found, name=node.name in naming)


def _outermost(node: ast.AST) -> Iterator[ast.expr]:
    """The texts that a function builds, without those that only name a key, a choice or an argument."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and (isinstance(child, ast.IfExp) or _parts(child)):
            yield child
        elif isinstance(child, ast.Dict):
            yield from (value for value in child.values if _parts(value))
        elif isinstance(child, ast.Call):
            yield from child.args if _called(child) == "append" else _outermost(child.func)
        elif not isinstance(child, ast.Subscript | ast.Compare | ast.arguments) and not _is_docstring(child):
            yield from _outermost(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _sentences(node: ast.expr, name: bool = False) -> Iterator[Template]:
    """The templates of an expression: of both branches of a choice, and of choices within a sentence.

    name: whether it is the name of a recipe, whose parts are templates of their own and may be single words.
    """
    if isinstance(node, ast.IfExp):
        yield from _sentences(node.body, name)
        yield from _sentences(node.orelse, name)
        return
    if isinstance(node, ast.List):
        for element in node.elts:
            yield from _sentences(element, name)
    parts = _parts(node)
    for piece in _pieces(parts) if name else [parts]:
        yield from _template(piece, name)
    for part in parts:
        if isinstance(part, ast.expr):
            yield from _sentences(part)


def _pieces(parts: Parts) -> Iterator[Parts]:
    """A name cut at its commas; without a value at the end of a word, which begins with a comma of its own."""
    piece: Parts = []
    for part in parts:
        if isinstance(part, str):
            first, *others = part.split(", ")
            piece.append(first)
            for other in others:
                yield piece
                piece = [other]
        elif not (piece and isinstance(piece[-1], str) and piece[-1][-1:].islower()):
            piece.append(part)
    yield piece


def _template(parts: Parts, word: bool) -> Iterator[Template]:
    """The pieces of one text as a template, when it says something. word: also when it is a single word."""
    if parts and isinstance(parts[0], str) and parts[0].startswith(" "):
        parts = [ast.Name("what stands before"), *parts]
    fixed = " ".join(part for part in parts if isinstance(part, str))
    values = [part for part in parts if isinstance(part, ast.expr)]
    if WORD.search(fixed) and (word or values or " " in fixed.strip()):
        places = iter(range(len(values)))
        # as of a format string, braces that are meant are doubled; a sentence without values is no format string
        text = "".join(
            (part.replace("{", "{{").replace("}", "}}") if values else part)
            if isinstance(part, str) else f"{{{next(places)}}}" for part in parts
        )  # fmt: skip
        yield text, ", ".join(f"{{{place}}} = {ast.unparse(value)}" for place, value in enumerate(values))


def _parts(node: ast.expr) -> Parts:
    """An expression as the pieces of one text; empty when it is no text."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        pieces: Parts = []
        for value in node.values:
            pieces.append(value.value if isinstance(value, ast.FormattedValue) else str(ast.literal_eval(value)))
        return pieces
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _parts(node.left), _parts(node.right)
        if left or right:
            return (left or [node.left]) + (right or [node.right])
    return []


def read(root: Path, files: list[Path]) -> dict[str, ast.Module]:
    """Syntax trees by the path of their file below `root`."""
    return {path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8")) for path in files}
