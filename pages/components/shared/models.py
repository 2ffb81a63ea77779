"""Choosing another model, from the sidebar or from the first line of Explore."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.i18n import _
from optlab.models.catalog import card, catalog
from optlab.recipes import Recipe
from optlab.store.run import Status
from pages.components.shared import services, view


def choose(name: str) -> None:
    """Show model `name`, as it is, on its own text. One that was mistyped leaves nothing behind."""
    shown = view.current()
    if name == shown.model:
        return
    _forget_mistyped(services.client(), shown.model)
    protocol = shown.protocol
    if protocol.text is not None:  # a text fits a tokenizer and a model, so the new model starts with its own
        protocol = protocol.model_copy(update={"text": None})
    view.change(model=name, recipe=Recipe(), protocol=protocol)


def others(model: str) -> None:
    """On the model that newcomers see: buttons that lead to the next of the catalog and to one's own."""
    if model != view.NEWCOMERS:
        return
    known = next((one for one in catalog() if one.name != view.NEWCOMERS), None)
    if known is not None:
        st.button(
            known.title, key="models/other", icon=":material/swap_horiz:", type="tertiary", on_click=choose,
            args=(known.name,), help=_(known.summary),
        )  # fmt: skip
    if st.button(_("Your own model"), key="models/own", icon=":material/folder_open:", type="tertiary"):
        st.dialog(_("Your own model"), icon=":material/folder_open:")(_own)()


def _own() -> None:
    with st.form("models/form", border=False):
        name = st.text_input(
            _("Folder, file or hub id"), key="models/name",
            help=_("A model from the catalog, the path of a folder with config.json and safetensors, the path of a "
                   ".gguf file, or a hub id such as owner/name."),
        )  # fmt: skip
        used = st.form_submit_button(_("Open"), type="primary")
    if used and name.strip():
        choose(name.strip())
        st.rerun()


def _forget_mistyped(client: Client, model: str) -> None:
    """Take away the run that failed to prepare `model`, when nothing else is known of it."""
    if card(model) is not None:
        return
    run = client.latest("prepare", model)
    if run is not None and run.status == Status.FAILED and client.description(model) is None:
        client.delete(run.id)
