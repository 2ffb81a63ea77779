"""All measurements beside each other: what was paid in quality for what was saved in size and time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from optlab.client import records
from optlab.figures import format, frames, tradeoff
from optlab.figures.thinning import thinned
from optlab.i18n import _, said
from optlab.jobs import history
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import MeasuredRun, readable
from optlab.jobs.resolution import title
from pages.components.compare import baseline, grid, knobs, outside, real_work, side_by_side, table, texts
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
        facts.unreadable(client.history().unreadable)
        measured = client.measurements()
        if not measured:
            st.info(_("Nothing has been measured yet. What you measure in Explore is compared here."),
                    icon=":material/scatter_plot:")  # fmt: skip
            st.page_link("pages/explore.py", label=_("Measure something"), icon=":material/tune:")
            return
        found, scope = filtered(measured)
        taking = st.container(horizontal=True)
        drawn = [found[place] for place in thinned(*tradeoff.places(found))]
        frame = frames.tradeoffs(records.rows(drawn))
        if frame.empty:
            st.info(_("No measurement matches this filter; choose another model or text."))
            return
        point = chart(frame)
        if len(drawn) < len(found):
            thinner(len(drawn), len(found))
        amounts_of_text({one.spec.protocol.tokens for one in found})
        rows, page = table.page(found, scope)
        listed = frame if rows == drawn else frames.tradeoffs(records.rows(rows))
        chosen = table.show(baseline.choose(frames.with_original(listed), frame), page)
        with taking:
            take(found, chosen)
        if point is not None:
            open_in_explore(point)
        if len(chosen) > 1:
            runs = readable(run for id in chosen if (run := client.run(id)) is not None)
            side_by_side.show(runs)
            real_work.show(client, runs[: side_by_side.MOST])
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
        knobs.show(found)


def filtered(measured: Sequence[MeasuredRun]) -> tuple[list[MeasuredRun], str]:
    """Those of one model and text, because perplexities of different texts or vocabularies do not compare; and a name
    for the two."""
    models = list(dict.fromkeys(one.spec.model for one in measured))
    shown = view.current().model
    with st.container(horizontal=True):
        model = st.selectbox(
            _("Model"), models, index=models.index(shown) if shown in models else 0, key=f"compare/model/{shown}",
            width=240, format_func=title,
        )  # fmt: skip
        of_model = history.about(measured, model)
        texts = list(dict.fromkeys(one.headline.text for one in of_model))
        text = st.selectbox(
            _("Text"), texts, key=f"compare/text/{model}", width=240,
            help=_("Perplexities on different texts are not comparable."), format_func=own_text.title,
        )  # fmt: skip
    if model != shown:
        words = _("{shown} is open in the sidebar; this page shows {model}.") if shown in models else _(
            "{shown} has not been measured yet; this page shows {model}.")  # fmt: skip
        st.caption(services.escaped(words.format(shown=title(shown), model=title(model))))
    return [one for one in of_model if one.headline.text == text], f"{model}/{text}"


def chart(frame: "DataFrame") -> int | None:
    """The scatter; the id of the run whose point was clicked."""
    event: Any = st.plotly_chart(
        tradeoff.scatter(frame), key="compare/chart", on_select="rerun", selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": False}, alt=_("Size against perplexity of every measurement"),
    )  # fmt: skip
    points = event.selection.points if event else []
    return int(points[0]["customdata"][0]) if points and points[0].get("customdata") else None


def thinner(drawn: int, count: int) -> None:
    """That the chart leaves some out, and which."""
    words = _("{drawn} of {count} measurements are drawn: every one that is the best for its size, and of the others "
              "some of each part of the chart. The table lists them all.")  # fmt: skip
    st.caption(words.format(drawn=format.amount(drawn), count=format.amount(count)))


def amounts_of_text(tokens: set[int]) -> None:
    """That runs read more or less of the text, where they did; tokens: of each."""
    if len(tokens) > 1:
        words = _("These runs read {least} to {most} tokens of the text: perplexities of the same text, but of more or "
                  "less of it, compare within their intervals only.")  # fmt: skip
        st.caption(words.format(least=format.amount(min(tokens)), most=format.amount(max(tokens))))


def take(found: Sequence[MeasuredRun], chosen: list[int]) -> None:
    """Report and table of what is ticked, or of everything shown while nothing is."""
    ticked = [one for one in found if one.id in chosen] if chosen else found
    downloads.report(services.client(), [one.run for one in ticked])
    downloads.table(lambda: frames.tradeoffs(records.rows(ticked)), "comparison")


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
