"""What people write on a run: a name, a note and a star, each kept as soon as it is written."""

from __future__ import annotations

import streamlit as st

from optlab.i18n import _
from optlab.store.rows import LONGEST_NAME, LONGEST_NOTE
from optlab.store.run import Label, Run
from pages.components.shared import services


def edit(run: Run) -> None:
    """Draw the three fields of `run`."""
    key = f"label/{run.id}"
    with st.form(key, border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        starred = st.toggle(_("Star"), run.label.starred, key=f"{key}/star")
        name = st.text_input(_("Name"), run.label.name, max_chars=LONGEST_NAME, key=f"{key}/name", width=240)
        note = st.text_input(_("Note"), run.label.note, max_chars=LONGEST_NOTE, key=f"{key}/note", width=420)
        kept = st.form_submit_button(_("Save"), icon=":material/save:")
    if kept:
        services.act(services.client().annotate, run.id, Label(name, note, starred))
        st.rerun()
