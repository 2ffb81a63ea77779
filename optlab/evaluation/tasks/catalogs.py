"""Sentences of a program in several languages: JupyterLab's message catalogs, as packages of PyPI carry them."""

from __future__ import annotations

import gettext
from functools import cache

from optlab.texts.sources import installed

LANGUAGES = {"fr_FR": "French", "de_DE": "German", "zh_CN": "Chinese"}
CONTEXT = "\x04"
"""What gettext writes between the context of a message and the message."""
SHORTEST, LONGEST = 30, 160
"""Characters of an English message."""


@cache
def messages(language: str) -> dict[str, str]:
    """English messages with their translation, whole sentences without placeholders, by the alphabet.

    Raises TextError when the package is not installed."""
    package = f"jupyterlab_language_pack_{language}"
    folder = installed(package.replace("_", "-"), f"{package}/locale/{language}/LC_MESSAGES")
    with (folder / "jupyterlab.mo").open("rb") as file:
        catalog = vars(gettext.GNUTranslations(file))["_catalog"]
    told = {english.rpartition(CONTEXT)[2]: said for english, said in catalog.items() if isinstance(english, str)}
    return {english: told[english] for english in sorted(told) if _plain(english) and _plain(told[english], 0)}


def _plain(text: str, shortest: int = SHORTEST) -> bool:
    return shortest <= len(text) <= LONGEST and not any(mark in text for mark in "%{}<>\n\\`")
