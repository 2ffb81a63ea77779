"""The kinds of values that specs and results are made of, each as strict as a page needs it to be.

Numbers come from numerical code and may be infinite or not a number: a broken model has such a perplexity, and its run
must not be lost for it. What is counted is a whole number within 64 bits, and no text is longer than a page can bear,
because results also arrive in archives that anyone may have written.
"""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt, MaxLen, MinLen
from pydantic import (
    BeforeValidator,
    PlainSerializer,
    SerializationInfo,
    Strict,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from optlab.messages import Message, decoded, encoded


def _without_surrogates(value: Any) -> Any:
    """Half a surrogate pair, which a file name or a tokenizer may hold and JSON in UTF-8 cannot, as '?'."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Number = Annotated[float, Strict()]
"""Any float, infinities and not-a-number included; no text and no truth value."""

Seconds = Annotated[float, Strict(), Ge(0.0), Lt(2.0**40)]
"""A duration, or a date since 1970: finite."""

Count = Annotated[int, Strict(), Ge(0), Lt(2**63)]
"""A whole number of things; no truth value."""

Positive = Annotated[int, Strict(), Gt(0), Lt(2**31)]

Truth = Annotated[bool, Strict()]

Interval = tuple[Number, Number]
"""Low and high end."""

Name = Annotated[str, BeforeValidator(_without_surrogates), MinLen(1), MaxLen(4_096)]
"""Of a model, a layer, a text, a folder."""

Word = Annotated[str, BeforeValidator(_without_surrogates), MaxLen(4_096)]
"""A word or a sentence; may be empty."""

Passage = Annotated[str, BeforeValidator(_without_surrogates), MaxLen(1 << 20)]
"""A text that a person or a model wrote."""


STORED = {"stored": True}
"""Context of a serialization whose sentences keep their template and values; without it they are plain English."""


def _said(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    text = validate(value)
    return value if isinstance(value, Message) else decoded(text)


def _written(value: str, info: SerializationInfo) -> str:
    return encoded(value) if info.context == STORED else str(value)


Sentence = Annotated[Word, WrapValidator(_said), PlainSerializer(_written)]
"""What the library says of a result, such as a note: a `Message` that every reader gets in their own language."""
