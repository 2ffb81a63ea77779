"""A person's own text: pasted or uploaded, kept in the cache, and then chosen like any other."""

from __future__ import annotations

import streamlit as st

from optlab.errors import TextError
from optlab.i18n import _, said
from pages.components.shared.services import sentence

PASTED = "paste:"
LARGEST_MB = 100
AREA, FILE, LATEST = "own text/area", "own text/file", "own text/latest"


def title(name: str) -> str:
    """What a text outside the catalog is called: a path as it is, a pasted one by the first digits of its hash."""
    if not name.startswith(PASTED):
        return name
    return _("your text {digits}").format(digits=name.removeprefix(PASTED)[:6])


def latest() -> str | None:
    """The text that was handed in last in this session."""
    return st.session_state.get(LATEST)


def bring(chooser: str) -> None:
    """Draw the form; what a person hands in is chosen in the widget whose key is `chooser`."""
    with (
        st.popover(_("Use your own text"), icon=":material/content_paste:", width="stretch"),
        st.form("own text", border=False),
    ):
        st.text_area(_("Paste a text"), key=AREA, height=140)
        st.file_uploader(_("or upload a file: text, JSON, CSV or Parquet"), key=FILE, max_upload_size=LARGEST_MB)
        st.form_submit_button(_("Use this text"), on_click=_choose, args=(chooser,))


def show(name: str) -> None:
    """Say what was taken of a person's own text, with its first lines; or why it cannot be read."""
    from optlab.texts.excerpt import excerpt

    try:
        found = excerpt(name)
    except TextError as error:
        st.caption(sentence(error.message))
        return
    st.caption(said(found.words))
    st.code("\n".join(found.lines), language=None, height="content")


def _choose(chooser: str) -> None:
    from optlab.texts.text import store_pasted, store_uploaded

    file = st.session_state.get(FILE)
    try:
        if file is not None:
            name = store_uploaded(file.getvalue(), file.name)
        else:
            name = store_pasted(st.session_state.get(AREA) or "")
        st.session_state[chooser] = st.session_state[LATEST] = name
    except TextError as error:
        st.toast(sentence(error.message), icon=":material/error:")
