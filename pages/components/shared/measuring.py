"""Asking for a measurement of what is on the page, and saying before what it will take."""

from __future__ import annotations

import streamlit as st

from optlab.client import expectations
from optlab.client.client import Client
from optlab.figures import format
from optlab.i18n import _
from optlab.recipes import Recipe
from pages.components.shared import services, view


def label(client: Client, shown: view.View, words: str, recipe: Recipe | None = None) -> str:
    """The words of the button that measures `recipe` (None: the view's), with what that takes when it takes long.

    Give such a button a key: its words may change between two drawings."""
    expected = expectations.of_measurement(client, shown.model, recipe or shown.recipe, shown.protocol)
    if expected is None:
        return words
    time, memory = format.roughly(expected.seconds), format.megabytes(round(expected.memory_bytes, -8))
    if expected.way == "blocks":
        disk = format.megabytes(round(expected.footprint.disk, -8))
        return _("{button} (block by block: about {time}, {memory} RAM, {disk} disk)").format(
            button=words, time=time, memory=memory, disk=disk)  # fmt: skip
    return _("{button} (about {time}, {memory} RAM)").format(button=words, time=time, memory=memory)


def label_of(kind: str, model: str, words: str) -> str:
    """The words of a button that starts a run of `kind`, with what one took here before when that was long."""
    seconds = expectations.seconds_of(kind, model)
    return words if seconds is None else _("{button} (about {time})").format(
        button=words, time=format.roughly(seconds))  # fmt: skip


def start(client: Client, shown: view.View) -> None:
    """Ask for the measurement; the same one is never made twice."""
    run = client.submit_measure(shown.model, shown.recipe, shown.protocol)
    services.onlookers().asked_for(run.id)  # it may have begun by itself a moment ago
    if run.done:
        st.toast(_("Already measured; here is the result."), icon=":material/check:")
