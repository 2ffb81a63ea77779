"""The named texts, as a page lists them; reading them is `optlab.texts.text.load`."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class TextCard:
    """A named text: what it is, and whether it comes with the installation or from the hub.

    documents: how many distinct ones both sides hold together; None when that is known only after a download. reader:
    "module:function", called without arguments: the documents to calibrate with, and those to evaluate on.
    """

    name: str
    title: str
    summary: str
    licence: str
    reader: str
    documents: int | None = None
    on_hub: bool = False


CARDS = (
    TextCard(
        "bbc-news",
        "BBC News",
        "Articles of 2004 and 2005 on business, entertainment, politics, sport and technology.",
        "research use (Greene and Cunningham 2006)",
        "optlab.texts.sources:bbc_news",
        documents=2125,
    ),
    TextCard(
        "shakespeare",
        "Shakespeare",
        "The complete works; five plays are held out for evaluation, nano learnt from the others.",
        "public domain",
        "optlab.texts.sources:shakespeare",
        documents=42,
    ),
    TextCard(
        "web-bible",
        "World English Bible",
        "Chapters of the Bible in modern English.",
        "public domain",
        "optlab.texts.sources:web_bible",
        documents=1189,
    ),
    TextCard(
        "wikitext-2",
        "WikiText-2",
        "Wikipedia articles; the text most papers report. From the hub, or give a path.",
        "CC BY-SA 3.0",
        "optlab.texts.sources:wikitext_2",
        on_hub=True,
    ),
    TextCard(
        "ptb",
        "Penn Treebank",
        "Wall Street Journal sentences in lower case, rare words removed. From the hub.",
        "LDC user agreement",
        "optlab.texts.sources:ptb",
        on_hub=True,
    ),
    TextCard(
        "c4",
        "C4",
        "Web pages, cleaned. One shard of the validation split, from the hub.",
        "ODC-BY",
        "optlab.texts.sources:c4",
        on_hub=True,
    ),
)


def names() -> list[TextCard]:
    """Every named text, those that need no network first."""
    return list(CARDS)


PASTED = re.compile(r"paste:[0-9a-f]{16}(\.[a-z0-9]{1,8}){0,2}")
"""The name of a text that a person pasted or uploaded."""


def is_strewn(name: str) -> bool:
    """Whether a text is measured on windows from all over it: a named or pasted one. A PATH is read from its start."""
    return any(card.name == name for card in CARDS) or PASTED.match(name) is not None


def card(name: str) -> TextCard | None:
    """The card of a named text; None for a path or a pasted one."""
    return next((known for known in CARDS if known.name == name), None)
