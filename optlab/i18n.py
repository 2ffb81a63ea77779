"""Every word that a person sees, in the language that the person chose.

Strings of the pages are English and wrapped in `_`; a gettext catalog (`assets/locale/zh/LC_MESSAGES/optlab.mo`,
written by `make words`) gives another language, and what it lacks stays English. What the library says while it knows
no reader (errors, progress of a worker, names of recipes) is an `optlab.messages.Message`, and is read with `said`.

Which language: what `use` set in this context, else what the function given to `ask` answers. The pages answer with the
language of the session, because a fragment and a callback each run in a thread of their own with a new context.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache

from optlab import paths
from optlab.messages import FILLING, Counted, Joined, Message

LOCALE = paths.ASSETS / "locale"
ENGLISH = "en"
LONGEST = 2000
"""Characters of a text that is looked up; a longer one is by somebody else."""

_language: ContextVar[str | None] = ContextVar("language", default=None)
_chooser: Callable[[], str | None] = lambda: None  # noqa: E731  replaced by `ask`


def use(language: str) -> None:
    """Read everything after this, in this context, in `language` (a code such as 'en' or 'zh')."""
    _language.set(language)


def ask(chooser: Callable[[], str | None]) -> None:
    """Where no language was set by `use`, `chooser` names it; None means that it knows none, and English is read."""
    global _chooser
    _chooser = chooser


def language() -> str:
    """The language of this context. A cached function whose result holds words must have it among its arguments."""
    return _language.get() or _chooser() or ENGLISH


def _(message: str) -> str:
    """`message` in the language of this context. Values go in afterwards: `_('{count} runs').format(count=3)`."""
    return _catalog(language()).gettext(message) if message else ""


def plural(one: str, many: str, count: int, **values: object) -> str:
    """The form of a message that fits `count`, with `{count}` and other values filled in."""
    return _catalog(language()).ngettext(one, many, count).format(count=count, **values)


def said(sentence: str) -> str:
    """A message of the library in the language of this context, with its values as they are.

    A text that is no message (written by an older version, or by somebody else) is looked up whole; else it stays.
    """
    if isinstance(sentence, Joined):
        return _(sentence.joint).join(said(part) for part in sentence.parts)
    if not isinstance(sentence, Message):
        return _(sentence) if len(sentence) <= LONGEST else sentence
    translated = (
        _catalog(language()).ngettext(sentence.one, sentence.many, sentence.values["count"])
        if isinstance(sentence, Counted)
        else _(sentence.template)
    )
    if not sentence.values:
        return translated
    return FILLING.vformat(translated, (), {name: _value(value) for name, value in sentence.values.items()})


def sentence(message: str) -> str:
    """`said`, with a capital first and a full stop. What begins with a value (the name of a file) keeps its letter."""
    spoken = said(message)
    stop = "" if spoken.endswith((".", "!", "?", "。", "！", "？")) else _(".")
    return (spoken if _begins_with_a_name(message) else spoken[:1].upper() + spoken[1:]) + stop


def _begins_with_a_name(message: str) -> bool:
    """Whether a value that is no message itself comes first."""
    if not isinstance(message, Message) or (first := re.match(r"\{(\w+)", message.template)) is None:
        return False
    return not isinstance(message.values.get(first[1]), (Message, Joined))


def _value(value: object) -> object:
    if isinstance(value, list):
        return [_value(inner) for inner in value]
    return said(value) if isinstance(value, Message) else value


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation("optlab", localedir=LOCALE, languages=[language], fallback=True)
