"""Whose session this is: the owner's, unless people sign in by name."""

from __future__ import annotations

import os

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from optlab import people
from optlab.i18n import _
from optlab.people import NOBODY, OWNER, Person, Role
from pages.components.server import oidc_sign_in
from pages.components.server.policy import AUTH


def by_name() -> bool:
    """Whether people sign in by name."""
    return os.environ.get(AUTH) == "oidc"


def person() -> Person:
    """Who looks at this page. What runs in no session, like a download, may look and not start work."""
    if not by_name():
        return OWNER
    if get_script_run_ctx(suppress_warning=True) is None:
        return NOBODY
    claims = st.user.to_dict()
    if not claims.get("is_logged_in"):
        return NOBODY
    return people.person(oidc_sign_in.address(claims), os.environ)


def show() -> None:
    """Who has signed in, as what, and the way out. Call inside the sidebar."""
    if not by_name():
        return
    asked = person()
    names = {Role.VIEWER: _("viewer"), Role.USER: _("user"), Role.ADMIN: _("admin")}
    with st.popover(asked.name or _("Not signed in"), icon=":material/person:", width="stretch"):
        st.markdown(f"**{names[asked.role]}**")
        if not asked.starts_work:
            st.markdown(_("You see everything and start nothing. The owner of this dashboard can change that."))
        st.button(_("Sign out"), icon=":material/logout:", on_click=st.logout, key="who/out")
