"""A person's own text: pasted or uploaded, kept in the cache, and then chosen like any other."""

from __future__ import annotations

import streamlit as st

from optlab.errors import TextError
from optlab.i18n import _
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
        st.file_uploader(_("or bring a text file (UTF-8)"), type=["txt", "md"], key=FILE, max_upload_size=LARGEST_MB)
        st.form_submit_button(_("Use this text"), on_click=_choose, args=(chooser,))


def _choose(chooser: str) -> None:
    from optlab.texts.text import decode, store_pasted

    file = st.session_state.get(FILE)
    try:
        words = decode(file.getvalue(), file.name) if file is not None else st.session_state.get(AREA) or ""
        st.session_state[chooser] = st.session_state[LATEST] = store_pasted(words)
    except TextError as error:
        st.toast(sentence(error.message), icon=":material/error:")
