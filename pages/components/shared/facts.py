"""Small things that several pages say about models and runs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.figures import format
from optlab.i18n import _, plural, said
from optlab.jobs import measured as jobs
from optlab.jobs.measure import MEASURE
from optlab.messages import Message
from optlab.models.describe import Description
from optlab.results.measurement import Measurement
from optlab.store.run import Run
from pages.components.shared import own_text
from pages.components.shared.services import escaped, sentence

WIDTH = 155
"""Pixels: six beside each other on a wide screen, two on a phone."""

MOST_UNREADABLE = 3
"""All of them are on the page Runs."""


def row(facts: Sequence[tuple[str, str, str | None]]) -> None:
    """Figures beside each other, wrapping on a narrow screen: (label, value, exact value or explanation)."""
    with st.container(horizontal=True, gap="xsmall"):
        for label, value, help in facts:
            st.metric(label, value, help=help, border=True, width=WIDTH)


def checkpoint_note(description: Description) -> None:
    """What a reader of any curve of this model must know about its checkpoint; nothing when there is nothing."""
    if description.checkpoint_note:
        st.info(sentence(description.checkpoint_note), icon=":material/info:")


def measured_badge(run: Run) -> None:
    """That a figure was measured, and on hover when and on which machine."""
    result = MEASURE.result_of(run)
    if result is None:
        return
    where = [result.environment.processor or result.device]
    if result.environment.cores:
        where.append(plural("{count} core", "{count} cores", result.environment.cores))
    st.badge(
        _("measured"), color="blue", icon=":material/check:",
        help=_("Measured {when} on {where}: {how}").format(
            when=format.moment(run.finished), where=_(", ").join(where),
            how=escaped(_(", ").join(protocol_words(result))),
        ),
    )  # fmt: skip


def protocol_words(result: Measurement) -> list[str]:
    """How a result was measured: text, amount, precision, and what windows began with; only what it tells."""
    words = [
        own_text.title(result.text),
        _("{count} tokens").format(count=format.amount(result.tokens)) if result.tokens else "",
        result.dtype,
        *begin_words(result),
    ]
    return [word for word in words if word]


def begin_words(result: Measurement) -> list[str]:
    """What windows began with, and how often the text holds what looks like a special token; only what it tells."""
    words = []
    if result.begins_with is not None:
        begins = " ".join(result.begins_with)
        words.append(_("windows begin with {token}").format(token=begins) if begins else _("no BOS"))
    if result.lookalikes:
        words.append(_("special tokens read as plain text: {count}").format(
            count=format.amount(result.lookalikes)))  # fmt: skip
    return words


def words(run: Run) -> str:
    """The recipe of a measurement in words."""
    one = jobs.measured(run)
    return said(run.title if one is None else one.title)


def unreadable(reasons: Sequence[Message]) -> None:
    """A line for each of the first `MOST_UNREADABLE` reasons why a run cannot be read, which the page goes without."""
    for why in reasons[:MOST_UNREADABLE]:
        st.caption(f":material/broken_image: {sentence(why)}")
