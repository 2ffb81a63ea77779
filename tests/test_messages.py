"""A message is its English sentence, survives a column of text, and cannot be made to do more than fill in values."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab import i18n
from optlab.errors import ModelError, OptLabError
from optlab.messages import Counted, Joined, Message, decoded, encoded, say
from scripts import words

PLAIN = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text()


def messages() -> st.SearchStrategy[Message]:
    one = st.builds(lambda a, b: say("{a} and {b!r} {{so}}", a=a, b=b), PLAIN, PLAIN)
    return st.recursive(
        one,
        lambda inner: (
            st.builds(lambda a, many: say("{a}: {many}", a=a, many=many), inner, st.lists(inner, max_size=3))
            | st.builds(Joined, st.sampled_from([", ", " + "]), st.lists(inner | st.text(), max_size=3))
        ),
        max_leaves=6,
    )


@given(messages())
def test_a_message_survives_a_column_of_text_and_a_process(message: Message) -> None:
    for copy in (decoded(encoded(message)), pickle.loads(pickle.dumps(message))):
        assert copy == message
        assert type(copy) is type(message)
        assert (copy.template, copy.values) == (message.template, message.values)


@given(st.text())
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert decoded(encoded(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"template":"{a.__class__}","values":{"a":1}}',
        '{"template":"{a[0]}","values":{"a":[1]}}',
        '{"template":"{a:>999999999}","values":{"a":1}}',
        '{"template":"{a:{b}}","values":{"a":1,"b":">99999999"}}',
        '{"template":"{missing}","values":{"a":1}}',
        '{"template":"x","values":3}',
        '{"template":',
        '{"joint":", ","parts":' + "[" * 5000,
    ],
)
def test_a_template_from_a_file_only_fills_in_values(text: str) -> None:
    assert decoded(text) == text


def test_without_values_a_sentence_is_no_template() -> None:
    assert say("a step such as 'quantize: {bits: 4}'") == "a step such as 'quantize: {bits: 4}'"


def test_an_error_says_what_its_message_says() -> None:
    cause = ModelError("there is no model {name!r}", name="x")
    error = OptLabError("{path}: {error}", path=Path("/a"), error=cause)
    assert str(error) == error.message == "/a: there is no model 'x'"
    assert error.message.values["error"].values == {"name": "x"}
    assert str(pickle.loads(pickle.dumps(cause))) == str(cause)
    assert str(ModelError()) == ""


def test_no_error_and_no_progress_of_the_library_is_filled_in_before_its_reader_is_known() -> None:
    """An f-string could be shown in English only: errors take a template and values, progress takes `say(...)`."""
    filled_in = []
    for path in words.sources():
        if path.is_relative_to(words.TERMINAL):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in words.errors():
                said = node.args[:1]
            elif called == "progress":
                said = node.args[1:2]
            else:
                continue
            filled_in += [f"{path.name}:{node.lineno}" for one in said if isinstance(one, ast.JoinedStr)]
    assert filled_in == []


@pytest.mark.parametrize(("count", "said"), [(0, "0 layers of x"), (1, "1 layer of x"), (2, "2 layers of x")])
def test_one_thing_is_never_said_as_many(count: int, said: str) -> None:
    message = Counted("{count} layer of {name}", "{count} layers of {name}", count=count, name="x")
    for copy in (message, decoded(encoded(message)), pickle.loads(pickle.dumps(message))):
        assert copy == said
        assert i18n.said(copy) == said


def test_a_language_without_plurals_has_one_form_for_every_count() -> None:
    steps = [Counted("{count} step", "{count} steps", count=count) for count in (1, 2)]
    i18n.use("zh")
    try:
        assert [i18n.said(one) for one in steps] == ["1 步", "2 步"]
    finally:
        i18n.use("en")
