"""The language of a session: in the address (`?lang=zh`), else as last chosen here, else as the browser prefers.

Kept in the session besides the address, because changing the page empties the address; written back at the start of
every full run.
"""

from __future__ import annotations

import threading

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from optlab import i18n

LANGUAGES = {"en": "English", "zh": "中文"}
"""Code of each language, and its name as its readers write it."""
KEY = "lang"
CHOSEN = "language"
SWITCH = "sidebar/language"

_known = threading.local()
"""Of the run of a page that this thread makes, its Streamlit context and language: hundreds of words ask for it."""


def read() -> None:
    """Settle the language of this run: before the first word is drawn, and before `keep`."""
    given = st.query_params.get(KEY)
    if given in LANGUAGES:
        st.session_state[CHOSEN] = given
    elif CHOSEN not in st.session_state:
        st.session_state[CHOSEN] = of_browser()
    _known.run = None


def of_browser() -> str:
    """The language that the browser asks for, where there is a translation."""
    return nearest(st.context.locale or i18n.ENGLISH)


def nearest(locale: str) -> str:
    """The language of a locale such as zh-CN, where there is a translation."""
    wanted = locale.strip().split("-")[0].lower()
    return wanted if wanted in LANGUAGES else i18n.ENGLISH


def chosen() -> str | None:
    """The language of the session that asks; None outside of one. This is what `i18n.ask` is given."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    run, language = getattr(_known, "run", None) or (None, None)
    if run is not context:
        language = st.session_state.get(CHOSEN)
        _known.run = (context, language) if language else None
    return language


def in_link() -> dict[str, str]:
    """What a link to another view must carry so that it opens in this language."""
    spoken = chosen()
    return {} if spoken is None or spoken == of_browser() == i18n.ENGLISH else {KEY: spoken}


def switch() -> None:
    """Let a person choose the language; the names are in the languages themselves, so that both readers find theirs."""
    if st.session_state.get(SWITCH) != i18n.language():
        st.session_state[SWITCH] = i18n.language()
    st.segmented_control(
        "Language · 语言", list(LANGUAGES), format_func=lambda code: LANGUAGES[code], key=SWITCH, on_change=_switched,
        label_visibility="collapsed", width="stretch",
    )  # fmt: skip


def _switched() -> None:
    # a second click on the language in use would leave nothing chosen
    st.session_state[CHOSEN] = st.session_state[SWITCH] or st.session_state[CHOSEN]
    _known.run = None
    keep()


def keep() -> None:
    """Write the language into the address, where a change of the page has taken it out."""
    wanted = in_link().get(KEY)
    if st.query_params.get(KEY) != wanted:
        if wanted is None:
            del st.query_params[KEY]
        else:
            st.query_params[KEY] = wanted


i18n.ask(chosen)
