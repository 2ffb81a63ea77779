"""The first line of Explore: what this is, in one sentence, and another model to try."""

from __future__ import annotations

import streamlit as st

from optlab.figures import format, frames, parts
from optlab.i18n import _
from optlab.models.catalog import card
from optlab.models.describe import Description
from pages.components.shared import facts, knobs, models, prepare
from pages.components.shared.folded import PREFIX
from pages.components.shared.services import escaped


def show(model: str) -> None:
    """Draw it; the figures of the model follow with `about`."""
    st.title(_("Explore"), width="content")
    st.markdown(question().format(model=escaped(name(model))), width="stretch")
    models.others(model)


def name(model: str) -> str:
    """What it is called on the page."""
    known = card(model)
    return known.title if known else prepare.title(model)


def question() -> str:
    """What the page answers, in markdown, with a place for the name of the model."""
    return _("What does compressing **{model}** cost? :orange[Orange is predicted], :blue[blue measured], :gray[grey "
             "the original].")  # fmt: skip


def about(description: Description) -> None:
    """Draw the box with what there is to say about the model as it is; it is worked out once it is opened."""
    box = st.popover(
        _("About this model"), icon=":material/info:", type="tertiary", key=f"{PREFIX}about", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        _facts(description)
        facts.checkpoint_note(description)
        heading = _("Where its bytes are")
        st.markdown(f"**{heading}**")
        st.plotly_chart(
            parts.bytes_by_block(frames.bytes_of(description)), key="about/bytes",
            config={"displayModeBar": False}, alt=_("Bytes of each block, by component"),
        )  # fmt: skip
        st.caption(
            _("Unless a recipe names other layers, it changes the attention and feed-forward weights of the blocks. "
              "The embedding stays as it is, so a small model with a large vocabulary shrinks less than its bits "
              "suggest.")
        )  # fmt: skip
        for kind in knobs.DRAWN:
            st.markdown(f"{knobs.icon(kind)} **{knobs.title(kind)}** {knobs.meaning(kind)}")


def _facts(description: Description) -> None:
    known = card(description.model)
    facts.row(
        [
            (_("Parameters"), format.amount(description.parameters), f"{description.parameters:,}"),
            (_("Size on disk"), format.megabytes(description.size_bytes),
             f"{format.exact(description.size_bytes, _('bytes'))}, {description.dtype}"),
            (_("Vocabulary"), format.amount(description.vocabulary), _("Different tokens it can read and write.")),
            (_("Context"), format.amount(description.context_length), _("Tokens it can attend to.")),
            (_("Blocks"), str(description.blocks), description.family),
            (_("Licence"), _(known.licence) if known else _("see its source"), _(known.location) if known else None),
        ]
    )  # fmt: skip
