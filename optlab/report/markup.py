"""HTML from nested calls, where whatever is not markup already is escaped.

A report shows names, recipes and paths that a person wrote or an archive brought; none of them may become markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

EMPTY = frozenset({"meta", "link", "br", "hr", "img", "input"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | None) -> Markup:
    """`<name>` with attributes (`class_` for class, `data_x` for data-x; None leaves one out) and children."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Markup:
    """Children after each other, escaped where they are plain text."""
    return Markup("".join(child if isinstance(child, Markup) else _plain(child, quote=False) for child in children))


def _plain(text: str, quote: bool = True) -> str:
    """Escaped, and without half surrogate pairs, which an archive may bring and no file can hold."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"), quote=quote)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = True) -> Markup:
    """A table whose first column names the row. numbers: the other columns are aligned as numbers."""
    kind = "number" if numbers else None
    titles = [
        element("th", title, scope="col", class_=None if index == 0 else kind) for index, title in enumerate(head)
    ]
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell, class_=kind) for cell in row[1:]))
        for row in rows
    ]
    parts = [element("thead", element("tr", *titles))] if head else []
    return element("div", element("table", *parts, element("tbody", *body)), class_="wide")
