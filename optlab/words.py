"""Every word that a person sees, in the language that the person chose.

Strings in the code are English and wrapped in `_`; a gettext catalog (`assets/locale/<language>/LC_MESSAGES/optlab.mo`)
gives another language, and what it lacks stays English. The language belongs to the context (a session of the pages
runs in a thread of its own), so that two people may read two languages from one server.
"""

from __future__ import annotations

import gettext
from contextvars import ContextVar
from functools import cache

from optlab import paths

LOCALE = paths.ASSETS / "locale"

_language: ContextVar[str] = ContextVar("language", default="en")


def use(language: str) -> None:
    """Read everything after this, in this context, in `language` (a code such as 'en' or 'zh')."""
    _language.set(language)


def _(message: str) -> str:
    """`message` in the language of this context. Values go in afterwards: `_('{count} runs').format(count=3)`."""
    return _catalog(_language.get()).gettext(message) if message else ""


def plural(one: str, many: str, count: int) -> str:
    """The form of a message that fits `count`, with `{count}` filled in."""
    return _catalog(_language.get()).ngettext(one, many, count).format(count=count)


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation("optlab", localedir=LOCALE, languages=[language], fallback=True)
