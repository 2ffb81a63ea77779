"""The measured model as a file: press a format, and when it is written, save it; with its card and its sha256.

Writing is a run like any other, so a closed tab loses nothing and the next visitor finds the file.
"""

from __future__ import annotations

import streamlit as st

from optlab.client import taking_home
from optlab.client.client import Client
from optlab.exports.export_format import ExportFormat
from optlab.exports.formats import FORMATS
from optlab.exports.package import CARD
from optlab.figures import format
from optlab.i18n import _, sentence
from optlab.jobs.export import EXPORT
from optlab.results.export import Export, ExportSpec
from optlab.store.run import Run
from pages.components.shared import file_route, services, watching
from pages.components.shared.services import escaped

LARGER = 1.4
"""Times the measured size from which a file is no longer only rounded up to what the format stores."""


def show(client: Client, measured: Run) -> None:
    """Draw one button for each format of the model of `measured`, a measurement that is done."""
    runs = {kind: client.find_export(measured, kind.name) for kind in FORMATS.values()}
    refusals = {kind: taking_home.refused(client, measured, kind) for kind, run in runs.items() if run is None}
    with st.container(horizontal=True, vertical_alignment="center"):
        for kind, run in runs.items():
            if refusals.get(kind) is not None:
                continue
            found = taking_home.made(run) if run is not None else None
            if run is not None and found is not None:
                _save(kind, run, found)
            elif run is None or run.done:
                _offer(client, measured, kind, run)
    for kind, run in runs.items():
        if run is None:
            if (refusal := refusals[kind]) is not None:
                st.caption(_("{label}: {reason}").format(label=kind.label, reason=escaped(sentence(refusal.message))))
            continue
        found = taking_home.made(run)
        if found is not None:
            _about(kind, run, EXPORT.spec_of(run), found)
        elif not run.done:
            st.caption(_("{label} for {program}").format(label=kind.label, program=kind.program))
            watching.watch(run, f"take_home/{kind.name}")


def _offer(client: Client, measured: Run, kind: ExportFormat, gone: Run | None) -> None:
    """The button that has the file written. gone: the run whose file is no longer on this machine."""
    key = f"take_home/{measured.id}/{kind.name}"
    services.action(
        _("{label} for {program}").format(label=kind.label, program=kind.program), key, ":material/download:",
        _write, client, measured, kind, gone,
    )  # fmt: skip


def _write(client: Client, measured: Run, kind: ExportFormat, gone: Run | None) -> None:
    if gone is not None:
        client.delete(gone.id)
    client.submit_export(measured, kind.name)


def _save(kind: ExportFormat, run: Run, found: Export) -> None:
    st.link_button(
        _("Save {label}, {size}").format(label=kind.label, size=format.megabytes(found.size_bytes)),
        file_route.address(run.id, found.file), icon=":material/save_alt:", type="primary",
        key=f"take_home/save/{run.id}",
    )  # fmt: skip


def _about(kind: ExportFormat, run: Run, asked: ExportSpec, found: Export) -> None:
    """What the file is, in two lines."""
    same = (
        _("The file holds the very weights that were measured.") if found.exact
        else _("Compressed from the weights that were measured; {label} stores some of their numbers in 16 bits, which "
               "changes them by {share} (root mean square).").format(
                   label=kind.label, share=format.percent(found.rounding))
    )  # fmt: skip
    measured = (asked.figures.size_bytes if asked.figures else 0) or found.size_bytes
    if found.size_bytes > LARGER * measured:
        larger = _("It is larger than the {size} that were measured, because {label} holds what this recipe makes as "
                   "16-bit numbers.")  # fmt: skip
        same = f"{same} {larger.format(label=kind.label, size=format.megabytes(measured))}"
    card = f"[{_('Model card')}]({file_route.address(run.id, CARD)})"
    checksum = f"sha256 `{found.sha256}`"
    st.caption(f"**{escaped(found.file)}** · {card} · {checksum}  \n{same}")
