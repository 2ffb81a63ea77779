"""The whole project as one archive: all finished runs out, and those of another archive in."""

from __future__ import annotations

import streamlit as st

from optlab.errors import OptLabError
from optlab.i18n import _, plural
from optlab.report import archive
from optlab.store.run import Status
from pages.components.shared import downloads, services

IMPORTED = "project/imported"


def show() -> None:
    """The archive of all finished runs out, and another one in."""
    client = services.client()
    with st.popover(_("Project"), icon=":material/inventory_2:"):
        st.markdown(_("Finished runs and their recipes in one file, to keep, share or import elsewhere."))
        st.download_button(
            _("Save project"), downloads.later(lambda: archive.write(client.runs(status=Status.DONE))),
            file_name="optlab-project.zip", mime="application/zip", key="project/save", icon=":material/archive:",
            on_click="ignore",
            disabled=not client.runs(archive.PORTABLE, Status.DONE, limit=1),
        )  # fmt: skip
        file = st.file_uploader(
            _("Import project"), type=["zip"], key="project/file", max_upload_size=archive.LARGEST_FILE >> 20,
            help=_("Adds its runs to yours. Nothing here changes, and no run is added twice."),
        )  # fmt: skip
        if file is not None and st.session_state.get(IMPORTED, ("",))[0] != file.file_id:
            st.session_state[IMPORTED] = (file.file_id, *_import(file.getvalue()))
        if file is not None:
            __, good, said = st.session_state[IMPORTED]
            (st.success if good else st.error)(said)


def _import(content: bytes) -> tuple[bool, str]:
    """Whether it worked, and what to say."""
    try:
        imported = archive.import_archive(content, services.client())
    except OptLabError as error:
        return False, services.sentence(error.message)
    added = plural("{count} run added", "{count} runs added", imported.added)
    known = plural("{count} already present", "{count} already present", imported.known)
    return True, f"{added}, {known}."
