"""The model as it is: how large, where its bytes are, what each knob means; and the first thing to try."""

import streamlit as st

from optlab.figures import format, frames, parts, verdict
from optlab.fitting import first_recipe
from optlab.i18n import _, plural, said
from optlab.jobs.measured import readable
from optlab.models.catalog import card
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.store.run import Status
from pages.components.shared import facts, frame, goals, knobs, measuring, pairs, prepare, services, view

FIRST_BITS = 4


def main() -> None:
    """Draw the page."""
    shown = view.current()
    known = card(shown.model)
    st.title(known.title if known else prepare.title(shown.model))
    st.markdown(_("What compressing this model costs and saves. Every figure here was measured."))
    with services.shown_errors():
        description = prepare.description(shown.model)
        if description is None:
            return
        model_facts(description)
        first_step(description)
        where_the_bytes_are(description)
        what_the_knobs_mean()
        measured_so_far(shown.model)


def model_facts(description: Description) -> None:
    """The figures that people ask for first."""
    known = card(description.model)
    facts.row(
        [
            (_("Parameters"), format.amount(description.parameters), f"{description.parameters:,}"),
            (_("Size on disk"), format.megabytes(description.size_bytes),
             f"{format.exact(description.size_bytes, _('bytes'))}, {description.dtype}"),
            (_("Vocabulary"), format.amount(description.vocabulary), _("Different tokens it can read and write.")),
            (_("Context"), format.amount(description.context_length), _("Tokens it can attend to.")),
            (_("Blocks"), str(description.blocks), description.family),
            (_("Licence"), _(known.licence) if known else _("see its source"), _(known.location) if known else None),
        ]
    )  # fmt: skip
    facts.checkpoint_note(description)


def first_step(description: Description) -> None:
    """One click to a first insight, or to a goal."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            _("**New here?** Store each weight with {bits} bits and see how much smaller, faster and worse the model "
              "becomes.").format(bits=FIRST_BITS), width=520,
        )  # fmt: skip
        recipe = first_recipe(FIRST_BITS, description)
        words = _("Try {bits} bits").format(bits=FIRST_BITS)
        told = measuring.label(services.client(), view.current(), words, recipe)
        if st.button(told, type="primary", icon=":material/bolt:", key="overview/first"):
            explore(recipe, measure=True)
    st.subheader(_("Or start from a goal"))
    chosen = goals.cards(description)
    if chosen is not None:
        explore(chosen)


def explore(recipe: Recipe, measure: bool = False) -> None:
    """Go on in Explore with this recipe. measure: ask for its measurement on the way."""
    changed = view.change(recipe=recipe)
    if measure:
        measuring.start(services.client(), changed)
    st.switch_page("pages/explore.py", query_params=view.link(changed.model, changed.recipe, changed.protocol))


def where_the_bytes_are(description: Description) -> None:
    """The one chart of this page."""
    st.subheader(_("Where its bytes are"))
    st.plotly_chart(
        parts.bytes_by_block(frames.bytes_of(description)), key="overview/bytes",
        config={"displayModeBar": False}, alt=_("Bytes of each block, by component"),
    )  # fmt: skip
    st.caption(
        _("Unless a recipe names other layers, it changes the attention and feed-forward weights of the blocks. The "
          "embedding stays as it is, so a small model with a large vocabulary shrinks less than its bits suggest.")
    )  # fmt: skip


def what_the_knobs_mean() -> None:
    """Each kind of step in plain words."""
    st.subheader(_("What each knob means"))
    for column, kind in zip(st.columns(len(knobs.DRAWN)), knobs.DRAWN, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"{knobs.icon(kind)} **{knobs.title(kind)}**")
            st.markdown(knobs.meaning(kind))


def measured_so_far(model: str) -> None:
    """The latest finished measurement of this model, or a word that there is none."""
    st.subheader(_("Measured so far"))
    runs = services.client().runs("measure", Status.DONE, model=model)
    facts.unreadable(runs)
    done = readable(runs)
    if not done:
        st.caption(_("Nothing has been measured on this model yet."))
        return
    latest = done[0]
    st.markdown(_("The latest of {runs}: {title}").format(
        runs=plural("{count} measurement", "{count} measurements", len(done)), title=said(latest.title)))  # fmt: skip
    st.markdown(f"#### {verdict.in_words(latest.result)}")
    pairs.show(latest.result, latest.run)
    st.page_link("pages/compare.py", label=_("Compare all measurements"), icon=":material/scatter_plot:")


frame.required()
main()
