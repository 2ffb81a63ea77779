"""Making a model ready: a page that needs its description shows the progress of the run that finds it out."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from optlab.jobs.resolution import title
from optlab.models.catalog import card
from optlab.models.describe import Description
from optlab.store.run import Run
from pages.components.shared import services, watching


def description(model: str) -> Description | None:
    """The description of `model`; None after drawing how it is being prepared. Raises ModelError.

    One that OptLab brings along is there before the model is ready, which then goes on behind the page.
    """
    client = services.client()
    found = client.description(model)
    if found is not None:
        if client.person.starts_work and not client.prepared(model):
            _begun(client, model)
        return found
    known = card(model)
    name = known.title if known else title(model)
    words = _("Preparing {model} (once only)")
    st.info(
        words.format(model=name),
        icon=":material/hourglass_top:",
    )
    watching.watch(_begun(client, model), "prepare")
    return None


def _begun(client: Client, model: str) -> Run:
    """The run that prepares `model`; one that failed is tried again when a person says so, not whenever a page is
    drawn."""
    latest = client.latest("prepare", model)
    return latest if latest is not None and latest.retryable else client.submit_prepare(model)
