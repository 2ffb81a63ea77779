"""What the ticked compressions do to real work: their differences side by side, a row for each task that was asked."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.client.client import Client
from optlab.client.task_results import answered
from optlab.figures import task_tables
from optlab.i18n import _, said
from optlab.jobs.measured import MeasuredRun


def show(client: Client, runs: Sequence[MeasuredRun]) -> None:
    """Draw the table; a sentence that says where to ask while nothing was asked."""
    st.subheader(_("Real work"))
    columns = {f"#{run.id} {run.run.label.name or said(run.title)}": answered(client, run) for run in runs}
    if any(columns.values()):
        st.dataframe(task_tables.side_by_side(columns), hide_index=True)
    else:
        st.caption(_("No task was asked of these yet: open one in Explore, and there Real work."))
