"""What OptLab keeps on the disk to be quick, and a way to have the room back without leaving the page."""

from __future__ import annotations

import shutil

import streamlit as st

from optlab import cache, paths
from optlab.figures import format
from optlab.i18n import _, said
from optlab.machine import locks
from pages.components.shared import services


def show() -> None:
    """A popover with the size of each kind of kept files, and a button that clears those that are chosen."""
    with st.popover(_("Disk"), icon=":material/hard_drive:"), services.shown_errors():
        found = cache.kept()
        sizes = {kind: sum(one.bytes for one in found if one.kind == kind) for kind in cache.KINDS}
        st.markdown(_("{used} are kept so that nothing is computed twice; {free} are free on this disk.").format(
            used=format.megabytes(sum(sizes.values())), free=format.megabytes(shutil.disk_usage(paths.home()).free),
        ))  # fmt: skip
        st.caption(_("Runs and their figures stay, whatever you clear. What is cleared is made again when needed."))
        chosen = st.multiselect(
            _("Clear"), [kind for kind, size in sizes.items() if size], key="disk/kinds",
            format_func=lambda kind: f"{said(cache.KINDS[kind])}: {format.megabytes(sizes[kind])}",
        )  # fmt: skip
        if st.button(_("Clear what is chosen"), key="disk/clear", icon=":material/mop:", disabled=not chosen):
            services.client().person.expect_to_keep_house()
            busy = locks.computing()
            freed = sum(one.bytes for one in cache.clear(tuple(chosen), busy))
            st.toast(_("{size} freed").format(size=format.megabytes(freed)), icon=":material/check:")
            if busy:
                st.toast(_("A run computes, so what was used within the last hour stays."), icon=":material/info:")
            st.rerun()
