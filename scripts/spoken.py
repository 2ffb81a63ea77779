"""Find what the library says without knowing its reader: errors, progress, names of recipes, notes (`words.said`).

These are f-strings, filled in when they are said, so they cannot be wrapped in `_`. They are read from the syntax tree
as templates: `f"unknown step {kind!r}; use {names}"` becomes `unknown step {0}; use {1}`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SPEAKING = {"describe", "_where", "allowed", "_range", "note_of", "note_for"}
"""Functions whose strings are all said, wherever they are."""
SPEAKING_IN = {
    "optlab/prune/pattern.py": {"in_words"},
    "optlab/predict/ledger.py": {"in_words"},
    "optlab/kernels/runtime.py": {"runtime"},
}
REPORTING = {"progress": 1, "interrupt": 1, "submit": 3, "append_note": 0}
"""Functions that are called with what is said, and the place of that argument."""
TERMINAL = {"optlab/cli.py", "optlab/console.py", "optlab/runs/summary.py"}
"""What only the command line says stays English, as its commands and options are."""
WORD = re.compile(r"[A-Za-z]{2,}")

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
    if name in TERMINAL:
        return
    here = SPEAKING_IN.get(name, set())
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _called(node.exc) in errors:
            for argument in node.exc.args[:1]:
                yield from _sentences(argument)
        elif isinstance(node, ast.Call) and _called(node) in REPORTING:
            for argument in node.args[REPORTING[_called(node)] :][:1]:
                yield from _sentences(argument)
        elif isinstance(node, ast.FunctionDef) and node.name in SPEAKING | here:
            for found in _outermost(node):
                yield from _sentences(found, word=node.name in SPEAKING)


def _outermost(node: ast.AST) -> Iterator[ast.expr]:
    """The texts that a function builds, without those that only name a key, a choice or an argument."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and (isinstance(child, ast.IfExp) or _parts(child)):
            yield child
        elif isinstance(child, ast.Call):
            if _called(child) == "append":
                yield from child.args
        elif not isinstance(child, ast.Subscript | ast.Compare | ast.arguments) and not _is_docstring(child):
            yield from _outermost(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _sentences(node: ast.expr, word: bool = False) -> Iterator[Template]:
    """The templates of an expression: of both branches of a choice, and of choices within a sentence.

    word: whether a single word without values counts, which elsewhere is the name of something.
    """
    if isinstance(node, ast.IfExp):
        yield from _sentences(node.body, word)
        yield from _sentences(node.orelse, word)
        return
    if isinstance(node, ast.List):
        for element in node.elts:
            yield from _sentences(element, word)
    parts = _parts(node)
    if not parts:
        return
    if isinstance(parts[0], str):
        # what is put behind something else: a part of a list, which `said` takes apart, or the end of a sentence
        parts[0] = parts[0].removeprefix(", ")
        if parts[0].startswith(" "):
            parts.insert(0, ast.Name("what stands before"))
    fixed = "".join(part for part in parts if isinstance(part, str))
    values = [part for part in parts if isinstance(part, ast.expr)]
    if WORD.search(fixed) and (word or values or " " in fixed.strip()):
        places = iter(range(len(values)))
        # as of a format string, braces that are meant are doubled; a sentence without values is no format string
        text = "".join(
            (part.replace("{", "{{").replace("}", "}}") if values else part)
            if isinstance(part, str) else f"{{{next(places)}}}" for part in parts
        )  # fmt: skip
        yield text, ", ".join(f"{{{place}}} = {ast.unparse(value)}" for place, value in enumerate(values))
    for value in values:
        yield from _sentences(value)


def _parts(node: ast.expr) -> list[str | ast.expr]:
    """An expression as the pieces of one text; empty when it is no text."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        pieces: list[str | ast.expr] = []
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
