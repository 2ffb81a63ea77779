"""Every page speaks the chosen language, wherever its words come from, and keeps the choice in its address."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from optlab.client.client import Client
from pages.components.shared import frame, language
from tests.pages import samples
from tests.pages.conftest import ROOT, open_page, parameter, well, words

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem != "__init__")
ENGLISH = re.compile(r"(?<![\w./-])[A-Za-z][a-z]+(?: [A-Za-z]?[a-z]+){2,}")
"""Three English words in a row."""
NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|<[^>]*>|https?://\S+|\]\([^)]*\)", re.DOTALL)
"""Code, formulas, tags and addresses are the same in every language."""
NAMES = re.compile(r"SmolLM2 135M Instruct|World English Bible|来源：.*")
"""Models, texts, and the papers of the methods."""
BAKED = {
    "Language · 语言", r"model\.layers\.[0-9]+\.mlp.*", "steps:\n  - quantize: {bits: 4, group_size: 64}",
    "/models/llama-gptq-4bit",
}  # fmt: skip
"""What every reader is shown in the same words: both languages at once, code, and a path."""
SAID = {"label", "body", "help", "options", "placeholder", "text", "title", "caption", "alt", "columns", "spec", "name",
        "header", "formatted_options", "content"}  # fmt: skip
"""Fields of Streamlit's messages that a person reads."""
TEXTS = {"title", "body", "label", "help", "text", "caption", "placeholder", "alt", "name", "hovertemplate",
         "title_text", "page_title", "annotation_text", "ticktext"}  # fmt: skip
"""Arguments of Streamlit and Plotly that a person reads."""
SILENT = {"Page", "page_link", "switch_page", "html", "get", "setdefault", "pop", "form", "get_option"}
"""Functions of Streamlit whose first argument nobody reads."""


def said(message: Any) -> Iterator[str]:
    """Every string that a message to the browser shows."""
    for field, value in message.ListFields():
        several = value if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
        for one in several if isinstance(several, list) else [several]:
            if hasattr(one, "ListFields"):
                yield from said(one)
            elif isinstance(one, str) and field.name in SAID:
                yield from in_json(one) if one.startswith(("{", "[{")) else [one]


def in_json(text: str) -> Iterator[str]:
    """Titles, labels and hovers in the JSON of a chart or of a table's columns."""
    try:
        found = json.loads(text)
    except ValueError:
        yield text
        return
    stack = [("", found)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += value.items()
        elif isinstance(value, list):
            stack += [(key, one) for one in value]
        elif isinstance(value, str) and key in TEXTS:
            yield value


def prose(app: AppTest) -> Iterator[str]:
    for block in (app.main, app.sidebar):
        for element in block:
            if getattr(element, "type", "") not in ("code", "html") and getattr(element, "proto", None) is not None:
                yield from said(element.proto)


@pytest.fixture
def used(prepared: Client) -> Client:
    """A client with a few measurements."""
    samples.measured(prepared, 8)
    samples.measured(prepared, 4)
    return prepared


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_of_a_page_stays_english(used: Client, page: str) -> None:
    app = open_page(page, lang="zh", recipe='[{"quantize":{"bits":4,"group_size":64}}]')
    texts = [NAMES.sub("", NOT_PROSE.sub("", text)) for text in prose(app)]
    assert any("模型" in text for text in texts)
    assert [text for text in texts if ENGLISH.search(text)] == []


def test_the_language_stays_when_the_page_changes(prepared: Client) -> None:
    app = open_page("runs", lang="zh")
    assert app.title[0].value == "运行"
    del app.query_params["lang"]  # as a browser does when a page of the navigation is opened
    app = again(app.switch_page("pages/compare.py"))
    assert app.title[0].value == "比较"
    assert parameter(app, "lang") == "zh"


def test_the_switch_changes_words_and_address(prepared: Client) -> None:
    app = open_page("runs")
    assert "lang" not in app.query_params
    app = again(switch(app).set_value("zh"))
    assert app.title[0].value == "运行"
    assert parameter(app, "lang") == "zh"
    app = again(switch(app).set_value("en"))
    assert app.title[0].value == "Runs"
    assert "lang" not in app.query_params


def switch(app: AppTest) -> Any:
    return next(one for one in app.sidebar if getattr(one, "key", None) == language.SWITCH)


def again(changed: Any) -> AppTest:
    """The app after another run with its frame, which AppTest leaves out when it runs a page again."""
    app = changed if isinstance(changed, AppTest) else changed.root._runner
    app.session_state[frame.FRAMED] = False
    return well(app.run())


def test_an_unknown_language_is_english(prepared: Client) -> None:
    assert open_page("runs", lang="tlh").title[0].value == "Runs"


def test_two_readers_read_two_languages(prepared: Client) -> None:
    chinese, english = open_page("compare", lang="zh"), open_page("compare")
    assert "尚无任何测量结果" in words(chinese)
    assert "Nothing has been measured yet" in words(english)
    assert "尚无任何测量结果" in words(well(chinese.run()))


def test_an_error_of_the_library_is_read_in_chinese(prepared: Client) -> None:
    app = open_page("explore", lang="zh", recipe='[{"quantize":{"bits":9}}]')
    assert "超出范围；请用 2 到 8" in words(app)


def drawing() -> list[Path]:
    """Files whose texts a person sees."""
    return [*sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "optlab" / "figures").rglob("*.py"))]


def literal(node: ast.expr) -> str:
    """The words that are written into an expression; '' where they come from elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
    if isinstance(node, ast.BinOp):
        return f"{literal(node.left)} {literal(node.right)}"
    if isinstance(node, ast.IfExp):
        return f"{literal(node.body)} {literal(node.orelse)}"
    if isinstance(node, ast.Dict):
        return " ".join(
            literal(value) for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value in TEXTS
        )  # fmt: skip
    return ""


def shown(node: ast.Call) -> Iterator[ast.expr]:
    """Arguments of a call that a person reads."""
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and node.args:
        drawn = function.value.id in ("st", "column") and function.attr not in SILENT
        if drawn and not function.attr.startswith("cache"):
            yield node.args[0]
    yield from (keyword.value for keyword in node.keywords if keyword.arg in TEXTS)


@pytest.mark.parametrize("path", drawing(), ids=lambda path: path.name)
def test_no_text_is_baked_into_the_code(path: Path) -> None:
    baked = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            for argument in shown(node):
                if literal(argument) in BAKED:
                    continue
                bare = re.sub(
                    r":material/\w+:|:[\w ]*-?\w*\[|%\{[^}]*\}|<[^>]*>|&\w+;|\$[^$]*\$|OptLab|PDF",
                    "",
                    literal(argument),
                )
                if re.search(r"[A-Za-z]{3,}", bare):
                    baked.append(f"{path.name}:{node.lineno} {bare.strip()}")
    assert baked == []
