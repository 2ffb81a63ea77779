"""All measurements beside each other: what was paid in quality for what was saved in size and time."""

from typing import TYPE_CHECKING, Any

import streamlit as st

from optlab.figures import frames, glossary, tradeoff
from optlab.i18n import _, said
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import readable
from optlab.jobs.resolution import title
from optlab.store.run import Status
from pages.components.compare import baseline, grid, knobs, outside, side_by_side, texts
from pages.components.shared import downloads, facts, frame, labels, own_text, services, take_home, view

if TYPE_CHECKING:
    from pandas import DataFrame

SELECTED = "compare/selected"


def main() -> None:
    """Draw the page."""
    st.title(_("Compare"))
    with services.shown_errors():
        client = services.client()
        with services.shown_errors():
            outside.show(client)
            grid.show(client)
        facts.unreadable(client.runs("measure", Status.DONE))
        frame = frames.tradeoffs(client.records())
        if frame.empty:
            st.info(_("Nothing has been measured yet. What you measure in Explore is compared here."),
                    icon=":material/scatter_plot:")  # fmt: skip
            st.page_link("pages/explore.py", label=_("Measure something"), icon=":material/tune:")
            return
        frame = filtered(frame)
        if frame.empty:
            st.info(_("No measurement matches this filter; choose another model or text."))
            return
        taking = st.container(horizontal=True)
        point = chart(frame)
        chosen = table(baseline.choose(frames.with_original(frame)))
        with taking:
            take(frame, chosen)
        if point is not None:
            open_in_explore(point)
        if len(chosen) > 1:
            runs = readable(run for id in chosen if (run := client.run(id)) is not None)
            side_by_side.show(runs)
            texts.show(client, runs[: side_by_side.MOST])
        elif len(chosen) == 1:
            open_in_explore(chosen[0])
            if (run := client.run(chosen[0])) is not None:
                labels.edit(run)
                take_home.show(client, run)
        else:
            st.caption(
                _("Click a point or tick a row to open its recipe; tick two or more to compare them side by side.")
            )
        knobs.show(readable(run for run in client.runs("measure", Status.DONE) if run.id in set(frame["run"])))


def filtered(frame: "DataFrame") -> "DataFrame":
    """Rows of one model and text, because perplexities of different texts or vocabularies do not compare."""
    models = list(dict.fromkeys(frame["model"]))
    shown = view.current().model
    with st.container(horizontal=True):
        model = st.selectbox(
            _("Model"), models, index=models.index(shown) if shown in models else 0, key=f"compare/model/{shown}",
            width=240, format_func=title,
        )  # fmt: skip
        rows = frame[frame["model"] == model]
        texts = list(dict.fromkeys(rows["text"]))
        text = st.selectbox(
            _("Text"), texts, key=f"compare/text/{model}", width=240,
            help=_("Perplexities on different texts are not comparable."), format_func=own_text.title,
        )  # fmt: skip
    return rows[rows["text"] == text].reset_index(drop=True)


def chart(frame: "DataFrame") -> int | None:
    """The scatter; the id of the run whose point was clicked."""
    event: Any = st.plotly_chart(
        tradeoff.scatter(frame), key="compare/chart", on_select="rerun", selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": False}, alt=_("Size against perplexity of every measurement"),
    )  # fmt: skip
    points = event.selection.points if event else []
    return int(points[0]["customdata"][0]) if points and points[0].get("customdata") else None


def table(frame: "DataFrame") -> list[int]:
    """The table; the ids of the ticked rows."""
    column = st.column_config
    event: Any = st.dataframe(
        frame, hide_index=True, key="compare/table", on_select="rerun", selection_mode="multi-row",
        column_order=["starred", "recipe", "name", "ppl_ratio", "low", "high", "size_ratio", "size_bytes", "speed",
                      "speedup", "decode_ms", "ppl", "kl", "agreement", "tokens", "dtype", "finished", "run", "note"],
        column_config={
            "starred": column.CheckboxColumn("\N{BLACK STAR}", width="small", help=_("Tick one row to star it.")),
            "name": column.TextColumn(_("Name"), width="small"),
            "note": column.TextColumn(_("Note")),
            "recipe": column.TextColumn(_("Recipe"), width="medium", pinned=True),
            "ppl_ratio": column.NumberColumn(_("Perplexity ratio"), format="%.4f",
                                             help=glossary.perplexity_ratio()),
            "low": column.NumberColumn(_("from"), format="%.4f", help=_("Lower end of the 95% interval")),
            "high": column.NumberColumn(_("to"), format="%.4f", help=_("Upper end of the 95% interval")),
            "size_ratio": column.NumberColumn(_("Size ratio"), format="%.3f"),
            "size_bytes": column.NumberColumn(_("Size"), format="bytes", help=glossary.size()),
            "speed": column.TextColumn(_("Speed"),
                                       help=_("No measurable difference where the 95% interval contains 1.")),
            "speedup": column.NumberColumn(_("Speed-up"), format="%.2f x",
                                           help=_("Both models timed in turns. Empty: not measured.")),
            "decode_ms": column.NumberColumn(_("ms per token"), format="%.3f", help=glossary.latency()),
            "ppl": column.NumberColumn(_("Perplexity"), format="%.3f", help=glossary.perplexity()),
            "kl": column.NumberColumn(_("KL, nats"), format="%.4f", help=glossary.kl_divergence()),
            "agreement": column.NumberColumn(_("Top-1 agreement"), format="percent",
                                             help=glossary.top1_agreement()),
            "tokens": column.NumberColumn(_("Tokens"), format="localized"),
            "dtype": column.TextColumn(_("Precision")),
            "finished": column.DatetimeColumn(_("Measured"), format="YYYY-MM-DD HH:mm"),
            "run": column.NumberColumn(_("Run"), format="%d"),
        },
    )  # fmt: skip
    return [int(frame["run"].iloc[row]) for row in event.selection.rows
            if row < len(frame) and not frame["run"].isna().iloc[row]]  # fmt: skip


def take(frame: "DataFrame", chosen: list[int]) -> None:
    """Report and table of what is ticked, or of everything shown while nothing is."""
    ticked = frame[frame["run"].isin(chosen)] if chosen else frame
    client = services.client()
    done = {run.id: run for run in client.runs("measure", Status.DONE)}
    downloads.report(client, [done[id] for id in map(int, ticked["run"]) if id in done])
    downloads.table(ticked, "comparison")


def open_in_explore(id: int) -> None:
    """A link to the recipe of a run."""
    run = services.client().run(id)
    if run is None:
        st.caption(_("This run was deleted."))
        return
    st.page_link(
        "pages/explore.py", query_params=view.link_to_run(MEASURE.spec_of(run)), icon=":material/tune:",
        label=_("Open run {id} in Explore: {title}").format(id=id, title=services.escaped(said(run.title))),
    )  # fmt: skip


frame.required()
main()
