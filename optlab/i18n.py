"""Every word that a person sees, in the language that the person chose.

Strings in the code are English and wrapped in `_`; a gettext catalog (`assets/locale/<language>/LC_MESSAGES/optlab.mo`,
written by `make words`) gives another language, and what it lacks stays English. Sentences that the library says while
it knows no reader (errors, progress of a worker, names of recipes) are stored in English and read with `said`.

Which language: what `use` set in this context, else what the function given to `ask` answers. The pages answer with the
language of the session, because a fragment and a callback each run in a thread of their own with a new context.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, lru_cache

from optlab import paths

LOCALE = paths.ASSETS / "locale"
ENGLISH = "en"
SAID = "said"
"""The context (msgctxt) of messages whose values are filled in before they are read: `{0}`, `{1}` stand for any."""
JOINTS = (" + ", "; ", ", ", ": ")
"""What stands between the parts of a name or of a list; where the whole says nothing known, its parts may."""
SHORT = 6
"""Letters of a message that are too few to know it by, unless the values around them are known or single words."""
LONGEST = 2000
"""Characters of a sentence that is taken apart; a longer one carries a text of somebody else."""

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


def plural(one: str, many: str, count: int) -> str:
    """The form of a message that fits `count`, with `{count}` filled in."""
    return _catalog(language()).ngettext(one, many, count).format(count=count)


def said(sentence: str) -> str:
    """A sentence of the library in the language of this context, with its values as they are; else as it is.

    Values that are sentences or parts of sentences themselves are translated too.
    """
    spoken = language()
    return sentence if spoken == ENGLISH or len(sentence) > LONGEST else _said(spoken, sentence)


@lru_cache(maxsize=4096)
def _said(spoken: str, sentence: str) -> str:
    catalog = _catalog(spoken)
    exact = catalog.pgettext(SAID, sentence)
    if exact != sentence or not sentence:
        return exact
    if JOINTS[0] not in sentence:  # the steps of a recipe are read one by one
        for pattern, letters, translation in _templates(spoken):
            if found := pattern.fullmatch(sentence):
                values = [_said(spoken, value) for value in found.groups()]
                first = found.group(1)
                if letters >= SHORT or values[0] != first or " " not in first:
                    return translation.format(*values)
    for joint in JOINTS:
        if joint not in sentence:
            continue
        parts = sentence.split(joint, maxsplit=1 if joint == ": " else -1)
        read = [_said(spoken, part) for part in parts]
        if read != parts:
            return catalog.pgettext(SAID, joint).join(read)
    return sentence


@cache
def _templates(spoken: str) -> list[tuple[re.Pattern[str], int, str]]:
    """Messages with values, those with most fixed letters first: they say most exactly what was said."""
    messages = getattr(_catalog(spoken), "_catalog", {})
    prefix = f"{SAID}\x04"
    found = []
    for message, translation in messages.items():
        if isinstance(message, str) and message.startswith(prefix) and "{0}" in message:
            parts = [part.format() for part in re.split(r"\{\d+\}", message.removeprefix(prefix))]
            pattern = re.compile("(.*)".join(map(re.escape, parts)), re.DOTALL)
            found.append((pattern, len("".join(parts).strip()), translation))
    return sorted(found, key=lambda one: -one[1])


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation("optlab", localedir=LOCALE, languages=[language], fallback=True)
