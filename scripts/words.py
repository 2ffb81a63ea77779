"""Collect the messages of the code into the catalog of each language, and compile it: `make words`.

Messages come from three places: what the code wraps in `_` and `plural`; what methods, models and texts declare (plain
strings that the pages wrap when they show them), read from their registries; and the templates that the library says
without a reader (`optlab.messages`): first arguments of `say`, of `Joined` and of every error. Catalogs lie in
`assets/locale/<language>/`. A message that is no more leaves its catalog; a new one arrives without a translation, and
`tests/test_catalogs.py` fails until it has one. The compiled
file is committed too, so that a clone speaks every language without this script.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from optlab.errors import OptLabError
from optlab.evaluation.tasks import tasks
from optlab.jobs.registry import KINDS
from optlab.methods import REGISTRY, method
from optlab.models.catalog import catalog as models
from optlab.presets import PRESETS
from optlab.texts.names import names as texts

ROOT = Path(__file__).resolve().parents[1]
LOCALE = ROOT / "assets" / "locale"
LANGUAGES = ("zh",)
KEYWORDS = {"_": None, "plural": (1, 2), "Counted": (1, 2), "say": None, "Joined": None}
TERMINAL = ROOT / "optlab" / "cli"
"""What only the command line says stays English, as its commands and options are."""
WORD = re.compile(r"[A-Za-z]{2,}")
JOINTS = " +;,:."
"""Signs between the parts of a name or a list, and at the end of a sentence."""
LONG_AGO = datetime(2000, 1, 1)
"""The date of every catalog: what did not change is written as it was."""
UNSAID = ("POT-Creation", "PO-Revision", "Report-Msgid", "Last-Translator", "Language-Team", "Project-Id", ", fuzzy")
"""Lines of a header that say nothing here."""
METHODS, MODELS, TEXTS = "optlab/methods.py", "optlab/models/catalog.py", "optlab/texts/names.py"
TASKS = "optlab/evaluation/tasks/__init__.py"
GOALS, KINDS_OF_RUNS = "optlab/presets.py", "optlab/jobs/registry.py"


def sources() -> list[Path]:
    """Every file of the program that may say something."""
    return [ROOT / "dashboard.py", *sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "optlab").rglob("*.py"))]


def collected() -> Catalog:
    """All messages of the program, without translations."""
    found = Catalog()
    keywords = KEYWORDS | dict.fromkeys(errors())
    for path in sources():
        if path.is_relative_to(TERMINAL):
            continue
        name = path.relative_to(ROOT).as_posix()
        for line, message, _comments, _context in extract_from_file("python", path, keywords=keywords):
            if isinstance(message, tuple) or says_something(message):
                found.add(message, locations=[(name, line)])
        for message in within_strings(path):
            found.add(message, locations=[(name, 0)])
    for name, message in declared():
        found.add(message, locations=[(name, 0)])
    return found


def within_strings(path: Path) -> Iterator[str]:
    """What a file wraps in `_` inside of f-strings, where Babel sees one long string."""
    for outer in ast.walk(ast.parse(path.read_text("utf-8"))):
        for node in ast.walk(outer) if isinstance(outer, ast.JoinedStr) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                said = node.args[0]
                if isinstance(said, ast.Constant) and isinstance(said.value, str) and says_something(said.value):
                    yield said.value


@cache
def errors() -> frozenset[str]:
    """Names of `OptLabError` and of every class that descends from it, wherever it is defined."""
    known = {OptLabError.__name__}
    classes = [
        (node.name, {base.id for base in node.bases if isinstance(base, ast.Name)})
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    while more := {name for name, bases in classes if bases & known} - known:
        known |= more
    return frozenset(known)


def says_something(message: str) -> bool:
    """Whether a template has words or signs beside its values, or is a sign that joins the parts of a list.

    Brackets and commas have another width in Chinese, and units other names.
    """
    parts = list(Formatter().parse(message))
    words = "".join(words for words, *_ in parts).strip()
    if any(name is not None for _words, name, *_ in parts):
        return bool(words)
    return bool(WORD.search(words)) or (bool(words) and not words.strip(JOINTS))


def declared() -> Iterator[tuple[str, str]]:
    """The file and the message of everything that a registry says of its entries."""
    for kind in REGISTRY:
        for name in REGISTRY[kind]:
            entry = method(kind, name)
            yield from ((METHODS, message) for message in (entry.title, entry.summary))
            for parameter in entry.parameters:
                messages = [parameter.label, parameter.help, parameter.unit]
                messages += [parameter.none_label] if parameter.optional else []
                messages += [choice for choice in parameter.choices or () if isinstance(choice, str)]
                yield from ((METHODS, message) for message in messages if message)
    for model in models():
        yield from ((MODELS, message) for message in (model.summary, model.licence, model.location))
    for text in texts():
        yield from ((TEXTS, message) for message in (text.summary, text.licence))
    yield from ((TASKS, message) for task in tasks() for message in (task.title, task.summary))
    yield from ((KINDS_OF_RUNS, kind.label) for kind in KINDS.values())
    for preset in PRESETS:
        yield from ((GOALS, message) for message in (preset.title, preset.summary))


def path_of(language: str) -> Path:
    """The catalog that people edit; the compiled one lies beside it."""
    return LOCALE / language / "LC_MESSAGES" / "optlab.po"


def catalog(language: str) -> Catalog:
    """The catalog of a language as it lies on the disk; empty when there is none yet."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, domain="optlab")
    with path.open("rb") as file:
        found = read_po(file, locale=language, domain="optlab")
    found.creation_date = found.revision_date = LONG_AGO
    return found


def merged(language: str, messages: Catalog) -> Catalog:
    """`messages` with the translations that the catalog of `language` has for them; nothing is guessed."""
    known, new = catalog(language), Catalog(locale=language, domain="optlab", header_comment=f"# OptLab, {language}.")
    for message in messages:
        if message.id:
            old = known.get(message.id, message.context)
            new.add(message.id, old.string if old else "", message.locations, auto_comments=message.auto_comments,
                    context=message.context)  # fmt: skip
    return new


def compiled(language: str) -> bytes:
    """The catalog of a language as gettext reads it."""
    written = BytesIO()
    write_mo(written, catalog(language))
    return written.getvalue()


def write(language: str, messages: Catalog) -> list[str]:
    """Bring both files of a language up to date; the messages that wait for a translation."""
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = merged(language, messages)
    written = BytesIO()
    # without line numbers, dates and addresses, so that a commit shows what was translated and nothing else
    write_po(written, new, width=120, omit_header=False, include_lineno=False, sort_by_file=True)
    lines = written.getvalue().decode().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line[1:].startswith(UNSAID)), "utf-8")
    path.with_suffix(".mo").write_bytes(compiled(language))
    return [str(message.id) for message in new if message.id and not translated(message.string)]


def translated(string: str | tuple[str, ...] | list[str] | None) -> bool:
    """Whether a translation has words in all its forms."""
    return all(string) if isinstance(string, (tuple, list)) else bool(string)


def main() -> int:
    """Write all catalogs; 1 when a translation is missing."""
    messages = collected()
    waiting = {language: write(language, messages) for language in LANGUAGES}
    for language, missing in waiting.items():
        print(f"{language}: {len(messages)} messages, {len(missing)} without a translation")
        for message in missing:
            print(f"  {message}")
    return 1 if any(waiting.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
