"""What all sessions of the dashboard share: the store of runs, the client, and the supervisor of the workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from optlab import i18n, paths
from optlab.client.client import Client
from optlab.client.onlookers import Onlookers
from optlab.errors import OptLabError
from optlab.store import upkeep
from optlab.store.store import Store
from optlab.workers import failures
from pages.components.shared import who

if TYPE_CHECKING:
    from optlab.workers.supervisor import Supervisor

CLIENT = "services/client"
"""The client of the run of the page that is under way, with Streamlit's context of that run."""
STARTING_S = 20.0
"""A worker imports torch before it gives its first sign of life."""


def client() -> Client:
    """The client of the store that OPTLAB_HOME or OPTLAB_STORE names, for the person who looks at this page."""
    url, context = paths.store_url(), get_script_run_ctx(suppress_warning=True)
    if context is None:
        return Client(_store(url), who.person())
    run, named, known = st.session_state.get(CLIENT, (None, None, None))
    if known is None or run() is not context or named != url:
        known = Client(_store(url), who.person(), brief=True)
        st.session_state[CLIENT] = (ref(context), url, known)
    return known


def begin() -> None:
    """Call first on every run of a page: Streamlit gives two that follow one another the same context."""
    st.session_state.pop(CLIENT, None)


def onlookers() -> Onlookers:
    """Who looks at the runs that nobody asked for, in all sessions of this app."""
    return _onlookers(paths.store_url())


def viewer() -> tuple[str, Callable[[], bool]]:
    """A name for this browser tab, and what tells whether it is still open."""
    context = get_script_run_ctx()
    name = "" if context is None else context.session_id
    return name, lambda: not Runtime.exists() or Runtime.instance().is_active_session(name)


def start_workers() -> None:
    """Start and watch worker processes, once for all sessions; OPTLAB_NO_WORKERS=1 leaves that to others."""
    if os.environ.get("OPTLAB_NO_WORKERS") != "1":
        _supervisor(paths.store_url())


def workers_are_starting() -> bool:
    """Whether the workers were started so recently that none need have answered yet."""
    if os.environ.get("OPTLAB_NO_WORKERS") == "1":
        return False
    _, started = _supervisor(paths.store_url())
    return time.monotonic() - started < STARTING_S


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show what a person can act on in place of what could not be drawn; a bug of ours keeps its traceback."""
    try:
        yield
    except OptLabError as error:
        st.error(sentence(error.message), icon=":material/error:")
    except (SQLAlchemyError, OSError) as error:
        st.error(_of_the_store(error), icon=":material/database:")


def action(
    label: str, key: str, icon: str, function: Callable[..., Any], *arguments: Any,
    type: Literal["primary", "secondary"] = "secondary",
) -> bool:  # fmt: skip
    """A button that calls `function` before the page is drawn again; what cannot be done is said in passing."""
    return st.button(label, key=key, icon=icon, type=type, on_click=act, args=(function, *arguments))


def act(function: Callable[..., Any], *arguments: Any) -> None:
    """Call `function`; what cannot be done is said in passing."""
    try:
        function(*arguments)
    except OptLabError as error:
        st.toast(sentence(error.message), icon=":material/error:")
    except (SQLAlchemyError, OSError) as error:
        st.toast(_of_the_store(error), icon=":material/database:")


def _of_the_store(error: Exception) -> str:
    """What to do about it, in a sentence. Raises `error` when it is a bug of ours."""
    told = failures.of_the_store(error)
    if told is None:
        raise error
    return sentence(told)


def sentence(message: str) -> str:
    """A message of the library as a sentence on a page, in the language of the reader: a capital first, a full stop,
    markdown signs as they are."""
    return escaped(i18n.sentence(message))


def escaped(words: str) -> str:
    """Words that must not be read as markdown."""
    return "".join(f"\\{sign}" if sign in "\\*_`[]$~<>:#" else sign for sign in words)


@st.cache_resource(show_spinner=False, max_entries=8)
def _store(url: str) -> Store:
    """Raises DamagedStoreError before anything is believed that a damaged store holds."""
    upkeep.expect_whole(url)
    return Store(url)


@st.cache_resource(show_spinner=False, max_entries=8)
def _onlookers(url: str) -> Onlookers:
    return Onlookers(Client(Store(url)))


@st.cache_resource(show_spinner=False)
def _supervisor(url: str) -> tuple[Supervisor, float]:
    """The supervisor, and when it started."""
    from optlab.workers.supervisor import Supervisor

    return Supervisor(Store(url)).start(), time.monotonic()
