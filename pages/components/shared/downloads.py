"""Files to take along from a page: the report of measurements as HTML and PDF, a table as CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import streamlit as st

from optlab import i18n
from optlab.client.client import Client
from optlab.client.task_results import answered
from optlab.i18n import _, plural
from optlab.report import ahead, document, links, pdf, tables
from optlab.report.comparison import MOST, Comparison
from optlab.store.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame

Made = TypeVar("Made", str, bytes)


def report(client: Client, runs: Sequence[Run]) -> None:
    """Two buttons: the report of these measurements as HTML and as PDF, on which no knob could be moved."""
    shown = tuple(runs[:MOST])
    about = plural("Report of {count} measurement", "Report of {count} measurements", len(shown))
    name = f"optlab-{len(shown)}-{shown[0].key[:8]}" if shown else "optlab"

    def page(moves: bool) -> str:
        found = Comparison.of(shown, served())
        found = replace(found, asked={one.id: answered(client, one) for one in found.measured})
        return document.html(found, ahead.of(client, found) if moves else None)

    st.download_button(
        _("Report"), later(partial(page, True)), file_name=f"{name}.html", mime="text/html", key="report/html",
        type="primary", icon=":material/description:", on_click="ignore", disabled=not shown,
        help=_("{about}: one file that opens offline, with every figure, interval, chart and recipe, and the command "
               "line that measures it again.").format(about=about),
    )  # fmt: skip
    printer = pdf.browser()
    st.download_button(
        "PDF", later(lambda: pdf.pdf(page(False))), file_name=f"{name}.pdf", mime="application/pdf", key="report/pdf",
        icon=":material/picture_as_pdf:", on_click="ignore", disabled=not shown or printer is None,
        help=about if printer else _("A PDF is printed by Chromium or Chrome, which is not on this machine. Print the "
                                     "report from your browser instead."),
    )  # fmt: skip


def table(make: Callable[[], DataFrame], name: str, title: str = "") -> None:
    """Two buttons: this table, made when one is pressed, as CSV and as JSON. name: of the files and widgets; title: of
    the table, for people."""
    for ending, mime, write in (("csv", "text/csv", tables.as_csv), ("json", "application/json", tables.as_json)):
        content = later(partial(_written, write, make))
        st.download_button(
            f"{title} {ending.upper()}".strip(), content, file_name=f"optlab-{name}.{ending}", mime=mime,
            key=f"table/{name}/{ending}", icon=":material/download:", on_click="ignore",
            help=_("This table as {kind}, with every digit.").format(kind=ending.upper()),
        )  # fmt: skip


def _written(write: Callable[[DataFrame], str], make: Callable[[], DataFrame]) -> str:
    return write(make())


def served() -> str:
    """Where this browser found the dashboard, so that links in a report lead back to it."""
    here = urlsplit(st.context.url or "")
    if not here.netloc:
        return links.ADDRESS
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{here.scheme}://{here.netloc}/{path}".rstrip("/")


def later(make: Callable[[], Made]) -> Callable[[], Made]:
    """`make` in the language of this session: a download is made in another thread, when it is clicked."""
    context = copy_context()
    context.run(i18n.use, i18n.language())
    return lambda: context.copy().run(make)
