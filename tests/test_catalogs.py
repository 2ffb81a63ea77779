"""Every language says everything that the code says, nothing else, and with the same values in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog

from optlab import i18n
from optlab.errors import RecipeError
from optlab.i18n import said
from optlab.messages import decoded, encoded
from optlab.methods import REGISTRY, method
from optlab.recipes import Recipe
from scripts import words as making

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMES = re.compile(r"^[\W\d_]*([\w.()/-]+[\W\d_]*){1,3}$", re.ASCII)
"""What may be the same in every language: a name of up to three i18n, a unit, a licence."""


@cache
def collected() -> Catalog:
    return making.collected()


def identities(catalog: Catalog) -> set[tuple[str | None, str | tuple[str, ...]]]:
    return {(message.context, message.id) for message in catalog if message.id}


def fields(message: str | tuple[str, ...]) -> set[str]:
    """Values of a message with their format, those of both forms where it has a plural."""
    forms = (message,) if isinstance(message, str) else message
    return {f"{name}:{form}" for one in forms for __, name, form, __ in Formatter().parse(one) if name is not None}


@pytest.mark.parametrize("language", making.LANGUAGES)
def test_a_catalog_has_the_messages_of_the_code_and_no_others(language: str) -> None:
    there, wanted = identities(making.catalog(language)), identities(collected())
    assert len(wanted) > 500
    assert sorted(map(str, wanted - there)) == [], "missing: run make words and translate"
    assert sorted(map(str, there - wanted)) == [], "said no more: run make words"


def test_what_stands_in_the_middle_of_a_string_is_collected_too(tmp_path: Path) -> None:
    written = tmp_path / "page.py"
    written.write_text("""told = f"{first} {_('The ring marks it.')} {_(name)}"\n""", "utf-8")
    assert list(making.within_strings(written)) == ["The ring marks it."]


@pytest.mark.parametrize("language", making.LANGUAGES)
def test_every_message_is_translated_with_the_same_values(language: str) -> None:
    for message in making.catalog(language):
        if message.id:
            assert making.translated(message.string), message.id
            forms = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
            assert fields(tuple(forms)) == fields(message.id), message.id
            assert not message.fuzzy, message.id


def test_a_chinese_sentence_is_chinese() -> None:
    for message in making.catalog("zh"):
        if isinstance(message.id, str) and message.id and not CHINESE.search(str(message.string)):
            words = "".join(words for words, *_ in Formatter().parse(message.id))
            assert NAMES.match(words) or not re.search("[A-Za-z]{2}", words), message.id


@pytest.mark.parametrize("language", making.LANGUAGES)
def test_what_gettext_reads_is_what_people_edited(language: str) -> None:
    assert making.path_of(language).with_suffix(".mo").read_bytes() == making.compiled(language), "run make words"


def test_no_word_is_read_before_its_reader_is_known() -> None:
    """A message read while a module is imported would stay in the language of the first reader for ever."""
    too_early = []
    for path in making.sources():
        if path.parent.name == "pages" or path.name == "dashboard.py":
            continue  # pages are run anew for every reader, not imported
        tree = ast.parse(path.read_text("utf-8"))
        too_early += [
            f"{path.name}:{node.lineno}" for node in outside_functions(tree) if called(node) in {"_", "plural"}
        ]
    assert too_early == []


def test_what_is_cached_for_all_readers_holds_no_words() -> None:
    """The result of a cached function is shown to the next reader, who may read another language."""
    mixed = []
    for path in making.sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(one) for one in node.decorator_list):
                keyed = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
                says = any(called(inner) in {"_", "plural", "said"} for inner in ast.walk(node))
                if says and not keyed & {"language", "spoken"}:
                    mixed.append(f"{path.name}:{node.lineno} {node.name}")
    assert mixed == []


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that are computed at import: the defaults and decorators of functions too, their bodies not."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from (inner for default in child.args.defaults for inner in ast.walk(default))
            yield from (inner for one in getattr(child, "decorator_list", []) for inner in ast.walk(one))
        else:
            yield child
            yield from outside_functions(child)


def called(node: ast.AST) -> str:
    """The name of the function that a node calls."""
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def chinese(sentence: str) -> str:
    from contextvars import copy_context

    context = copy_context()
    context.run(i18n.use, "zh")
    return context.run(said, sentence)


def refused(recipe: str) -> str:
    with pytest.raises(RecipeError) as refusal:
        Recipe.from_yaml(recipe)
    return refusal.value.message


def test_the_library_is_read_in_the_language_of_the_reader() -> None:
    four = Recipe.from_dict({"steps": [{"quantize": {"bits": 4, "group_size": 64}}]})
    assert chinese(four.describe()) == "rtn 4 比特，分组 64"
    both = Recipe.from_yaml("steps: [prune: {sparsity: 0.5}, {quantize: {bits: 3, group_size: null}, layers: .*mlp.*}]")
    assert chinese(both.describe()) == "magnitude 50% + rtn 3 比特，逐通道（限 .*mlp.*）"
    with pytest.raises(RecipeError) as refusal:
        four.check_fits([("model.layers.0.q", (576, 96))])
    assert chinese(refusal.value.message) == "group_size 64 不能整除 96；请用 32 或 96"
    assert chinese(refused("steps: [quantize: {bits: 9}]")) == "bits 的值 9 超出范围；请用 2 到 8"
    assert chinese(decoded(encoded(four.describe()))) == "rtn 4 比特，分组 64"


def test_what_nobody_translated_stays_as_it_was_said() -> None:
    for sentence in ("worker died of a b on c", "[Errno 2] No such file or directory: '/x'", "", "x" * 5000):
        assert chinese(sentence) == sentence
    assert said(Recipe().describe()) == "original"


def test_every_method_describes_itself_in_chinese() -> None:
    for kind in REGISTRY:
        for name in REGISTRY[kind]:
            found = method(kind, name)
            described = found.describe(found.check({}))
            left = re.findall(r"[A-Za-z]{4,}", chinese(described).replace(name, ""))
            assert not set(left) - {"alpha", "bfloat", "float", "channel", "token", "dynamic", "magnitude"}, described
