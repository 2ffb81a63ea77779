"""What the library says to people: a template and its values, put into words where it is read.

An error, a step of progress, the name of a recipe or a note is written once, in English, by code that knows no reader.
Whoever shows it (`optlab.i18n.said`) looks up the template in the catalog of the reader's language and fills in the
same values. A `Message` is the English sentence as well, so that code which only prints needs to know nothing of this.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any, cast

Value = Any
"""A number, a text, a message, or a list of them; anything else is kept as the text that Python makes of it."""

LONGEST_SPEC = 8
LONGEST_VALUE = 400
"""Characters of one value that a sentence shows; a message is read by a person, whatever was put into a file."""
LONGEST_SENTENCE = 300
SHORTER = (200, 100, 60, 40)
"""Characters that texts among the values are cut to, one after the other, until the sentence has no more than the
first. What is a path stays whole, because a person must find what it names."""
LONGEST_REPRESENTATION = 160
"""The same for a value that is shown as Python writes it, in quotes or brackets."""

LEFT_OUT = " ... "

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = LONGEST_REPRESENTATION
_short.maxlevel = 3


class Filling(Formatter):
    """`str.format` for templates that may come from a file: names only, no attributes, no indices, no wide padding."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        if not field_name.isidentifier():
            raise ValueError(f"a message names its values, {field_name!r} is no name")
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if len(format_spec) > LONGEST_SPEC or any(len(run) > 2 for run in _digits(format_spec)):
            raise ValueError(f"{format_spec!r} is no format of a message")
        return shortened(str(super().format_field(value, format_spec)))

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion != "r":
            return super().convert_field(value, conversion)
        try:
            return _short.repr(value)
        except ValueError:  # an integer with more digits than Python writes
            return say("a {kind} too large to write down", kind=type(value).__name__)


FILLING = Filling()


class Message(str):
    """An English sentence that remembers its template and values. template: as `str.format` reads it, names only;
    without values it is the sentence itself, braces and all."""

    template: str
    values: dict[str, Value]

    def __new__(cls, template: str, /, **values: Value) -> Message:
        filled = FILLING.vformat(template, (), values) if values else template
        for longest in SHORTER:
            if len(filled) <= LONGEST_SENTENCE:
                break
            values |= {name: shortened(text, longest) for name, text in values.items() if _is_plain_text(text)}
            filled = FILLING.vformat(template, (), values) if values else template
        made = super().__new__(cls, filled)
        made.template = template
        made.values = {name: _plain(value) for name, value in values.items()}
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.template, self.values)


class Joined(Message):
    """Messages in a row, such as the steps of a recipe. The joint is a message too: Chinese lists have other commas."""

    joint: str
    parts: tuple[str, ...]

    def __new__(cls, joint: str, parts: Iterable[str]) -> Joined:
        listed = tuple(parts)
        made = str.__new__(cls, joint.join(listed))
        made.template, made.values = str(made), {}
        made.joint, made.parts = joint, listed
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Joined, (self.joint, self.parts)


class Counted(Message):
    """A message with a form for one and a form for many; which is read depends on `count`, and in another language on
    that language's own rules. one: the template for a single thing; template: for any other number."""

    one: str
    many: str

    def __new__(cls, one: str, many: str, /, *, count: Value, **values: Value) -> Counted:
        made = cast(Counted, super().__new__(cls, one if count == 1 else many, count=count, **values))
        made.one, made.many = one, many
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _recounted, (self.one, self.many, self.values)


say = Message
"""`say("there is no run {id}", id=3)`: the name by which the messages of the code are found for the catalogs."""


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """`text`, with its middle left out where it is longer than a person reads."""
    if len(text) <= longest or isinstance(text, Message):
        return text
    half = (longest - len(LEFT_OUT)) // 2
    return f"{text[:half]}{LEFT_OUT}{text[-half:]}"


def _is_plain_text(value: Value) -> bool:
    return isinstance(value, str) and not isinstance(value, Message)


def encoded(text: str) -> str:
    """`text` as a column of text keeps it: a message as JSON, any other text as it is."""
    return json.dumps(_json(text), separators=(",", ":")) if isinstance(text, Message) else text


def decoded(text: str) -> str:
    """What `encoded` wrote, as the same message; any other text as it is, also one that only looks like a message."""
    if not text.startswith(('{"template":', '{"joint":')):
        return text
    try:
        return _message(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return text


def _json(value: Value) -> Any:
    if isinstance(value, Joined):
        return {"joint": value.joint, "parts": [_json(part) for part in value.parts]}
    if isinstance(value, Counted):
        return {"template": value.many, "one": value.one, "values": _json_of(value.values)}
    if isinstance(value, Message):
        return {"template": value.template, "values": _json_of(value.values)}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return value


def _json_of(values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _json(inner) for name, inner in values.items()}


def _message(data: Any) -> Any:
    if isinstance(data, list):
        return [_message(inner) for inner in data]
    if not isinstance(data, dict):
        return data
    if "joint" in data:
        return Joined(str(data["joint"]), [_message(part) for part in data["parts"]])
    values = {name: _message(inner) for name, inner in data["values"].items()}
    if "one" in data:
        return Counted(str(data["one"]), str(data["template"]), **values)
    return Message(str(data["template"]), **values)


def _rebuilt(template: str, values: dict[str, Value]) -> Message:
    return Message(template, **values)


def _recounted(one: str, many: str, values: dict[str, Value]) -> Counted:
    return Counted(one, many, **values)


def _plain(value: Any) -> Value:
    """`value` as JSON can keep it; an error is what it says."""
    said = getattr(value, "message", None)
    if isinstance(value, Exception) and isinstance(said, Message):
        return said
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (int, float, bool, type(None), Message)):
        return value
    return shortened(str(value))


def _digits(text: str) -> list[str]:
    return "".join(sign if sign.isdigit() else " " for sign in text).split()
