"""Making a model ready: a page that needs its description shows the progress of the run that finds it out."""

from __future__ import annotations

import streamlit as st

from optlab.i18n import _
from optlab.jobs.resolution import title
from optlab.models.catalog import card
from optlab.models.describe import Description
from pages.components.shared import services, watching


def description(model: str) -> Description | None:
    """The description of `model`; None after drawing how it is being prepared. Raises ModelError."""
    found = services.client().description(model)
    if found is not None:
        return found
    known = card(model)
    name = known.title if known else title(model)
    words = _("Preparing {model} (once only)")
    st.info(
        words.format(model=name),
        icon=":material/hourglass_top:",
    )
    client = services.client()
    latest = client.latest("prepare", model)
    # a failed preparation is tried again when a person says so, not whenever a page is drawn
    run = latest if latest is not None and latest.retryable else client.submit_prepare(model)
    watching.watch(run, "prepare")
    return None
