"""The five questions that everybody asks, answered with this machine's figures; a button where one is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from optlab.advice import questions as rows
from optlab.advice.candidate import Candidate, best_and_smallest, tried
from optlab.figures import format
from optlab.fitting import first_recipe
from optlab.i18n import _, said
from optlab.jobs.measured import MeasuredRun, measured
from optlab.jobs.originals import originals
from optlab.jobs.resolution import settled, title
from optlab.models.catalog import catalog
from optlab.models.describe import Description
from optlab.recipes import Recipe
from pages.components.find_best import tasks
from pages.components.shared import facts, knobs, own_text, services, view
from pages.components.shared.services import escaped


def show(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """Draw all five."""
    st.subheader(_("Five questions"))
    done = services.client().measurements()
    with st.expander(_("Which model should I choose?"), icon=":material/counter_1:", expanded=True):
        which_model(shown, done)
    with st.expander(_("What resources does it need?"), icon=":material/counter_2:"):
        what_it_takes(shown, description, found)
    with st.expander(_("What happens to the tasks I use it for?"), icon=":material/counter_3:"):
        tasks.show(shown, description, found)
    with st.expander(_("How do I balance speed and quality?"), icon=":material/counter_4:"):
        balance(found)
    with st.expander(_("How do quantization, pruning and distillation differ?"), icon=":material/counter_5:"):
        techniques(shown, description, found)


def which_model(shown: view.View, done: Sequence[MeasuredRun]) -> None:
    """Models that were measured on one text, by bits per byte."""
    text = settled(shown.model, shown.protocol).text
    here = [one for one in originals(done) if one.text == text]
    if here:
        st.dataframe(
            {
                _("Model"): [title(one.model) for one in here],
                _("Bits per byte"): [format.number(one.bits_per_byte) for one in here],
                _("Size"): [format.megabytes(one.size_bytes) for one in here],
                _("Per token"): [format.milliseconds(one.decode_ms) for one in here],
                _("Memory"): [format.megabytes(one.memory_bytes) for one in here],
            },
            hide_index=True,
        )
        compares = _("On the text {text}. Bits per byte are comparable between models (lower is better); "
                     "perplexities are not, because every model has its own tokenizer.")  # fmt: skip
        st.caption(compares.format(text=own_text.title(text or "")))
    if len(here) > 1:
        best, smallest = best_and_smallest(here)
        told = _("{best} predicts this text best.").format(best=f"**{escaped(title(best.model))}**")
        if smallest is not best:
            told += " " + _("{small} is {smaller} and needs {more} more bits per byte.").format(
                small=f"**{escaped(title(smallest.model))}**",
                smaller=format.smaller(smallest.size_over(best)),
                more=format.significant(smallest.bits_per_byte - best.bits_per_byte, 2),
            )
        st.markdown(told)
    known = {one.model for one in here}
    missing = [name for name in dict.fromkeys([shown.model, *(card.name for card in catalog())]) if name not in known]
    if missing:
        st.markdown(_("Not measured on this text yet:"))
    for name in missing:
        if st.button(_("Measure {model} uncompressed").format(model=title(name)), key=f"questions/model/{name}"):
            measure(view.View(name, Recipe(), shown.protocol.model_copy(update={"text": text})), Recipe())


def what_it_takes(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """Disk, memory and time of the original and of the smallest that was measured."""
    smaller = tried(found)
    if not smaller:
        offer(shown, first_recipe(rows.FIRST_BITS, description), _("No compressed model has been measured here yet."))
        return
    smallest = smaller[0]
    found_run = services.client().run(smallest.run or 0)
    run = None if found_run is None else measured(found_run)
    if run is None:
        return
    shapes: dict[str, tuple[str, Callable[[float | None], str]]] = {
        "size": (_("On disk"), format.megabytes), "memory": (_("Memory while generating"), format.megabytes),
        "decode": (_("Per new token"), format.milliseconds), "prefill": (_("Prompt tokens per second"), format.number),
    }  # fmt: skip
    table: dict[str, list[str]] = {_("Resource"): [], _("original"): [], smallest.title: []}
    for name, base, candidate in rows.resources(run.result):
        label, shape = shapes[name]
        for column, cell in zip(table.values(), (label, shape(base), shape(candidate)), strict=True):
            column.append(cell)
    st.dataframe(table, hide_index=True)
    st.caption(_("Compressing took {time} here, once. Memory is that of a whole process, Python and its libraries "
                 "included.").format(time=format.duration(run.result.seconds.compress)))  # fmt: skip
    facts.measured_badge(run.run)


def balance(found: Sequence[Candidate]) -> None:
    """The smallest that is surely within each tolerance, measured beside predicted."""
    st.markdown(_("Set a quality limit; choose the smallest model certain to meet it."))
    table: dict[str, list[str]] = {_("At most"): [], _("measured"): [], _("predicted"): []}
    for percent in rows.ALLOWED_PERCENT:
        table[_("At most")].append(_("{n}% worse").format(n=f"{percent:g}"))
        for source, heading in (("measured", _("measured")), ("predicted", _("predicted"))):
            table[heading].append(_in_short(rows.within(found, percent, source)))
    st.dataframe(table, hide_index=True)
    timed = [one for one in found if one.source == "measured" and one.decode_ms]
    if len(timed) > 1:
        fast = min(timed, key=lambda one: one.decode_ms or 0)
        st.markdown(_("The fastest measured here is {title}: {speed} tokens per second, {worse}.").format(
            title=f"**{escaped(fast.title)}**", speed=format.significant(fast.tokens_per_s or 0),
            worse=format.worse(fast.ratio)))  # fmt: skip


def techniques(shown: view.View, description: Description, found: Sequence[Candidate]) -> None:
    """Each technique by itself, as it was measured on this model."""
    told = rows.techniques(found)
    for kind in rows.KINDS:
        st.markdown(f"{knobs.icon(kind)} **{knobs.title(kind)}**: {knobs.meaning(kind)}")
        one = told.get(kind)
        if one is not None:
            st.markdown(_("Measured here: {told}").format(told=escaped(_in_short(one))))
        else:
            offer(shown, rows.example(kind, description), _("Not measured on this model yet."), kind)


def offer(shown: view.View, recipe: Recipe, why: str, key: str = "") -> None:
    """That a figure is missing, and the button that measures it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":gray[{why}]", width="stretch")
        if st.button(
            _("Measure {recipe}").format(recipe=said(recipe.describe())), key=f"questions/{key}/{recipe.content_hash}"
        ):
            measure(shown, recipe)


def measure(shown: view.View, recipe: Recipe) -> None:
    """Ask for a measurement, and draw the page again with its progress on it."""
    with services.shown_errors():
        services.client().submit_measure(shown.model, recipe, shown.protocol)
        st.rerun()


def _in_short(one: Candidate | None) -> str:
    if one is None:
        return "\N{EN DASH}"
    parts = [one.title, format.megabytes(one.size_bytes), format.worse(one.ratio)]
    if one.decode_ms:
        parts.append(_("{time} per token").format(time=format.milliseconds(one.decode_ms)))
    return _(", ").join(parts if one.source == "measured" else parts[1:])
