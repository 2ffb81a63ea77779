"""Needs: say what you need, get the recipe that keeps it and why; and five questions answered with figures."""

from __future__ import annotations

from functools import lru_cache, partial

import streamlit as st

from optlab.advice import question
from optlab.advice.candidate import Candidate, measured, original_of, predicted, unproved
from optlab.advice.near_misses import near_misses
from optlab.advice.wish import Answer, Preference, Wish, answer, reasons
from optlab.errors import OptLabError
from optlab.figures import format
from optlab.i18n import _, language
from optlab.jobs.history import History
from optlab.jobs.resolution import settled
from optlab.models.describe import Description
from optlab.prediction.frontier import Frontier
from optlab.recipes import Recipe
from optlab.report.comparison import chosen
from pages.components.find_best import proofs, questions
from pages.components.shared import facts, goals, prediction, prepare, services, view, watching
from pages.components.shared.services import escaped, sentence

MEGABYTE = 1_000_000
POINTS = 24
"""Of the frontier; each is a prediction, and the answer can be refined among all sizes."""


def show(shown: view.View, description: Description) -> None:
    """Draw it, for a model that is prepared."""
    st.markdown(_("Say what you need. The answer comes from measurements and predictions on this machine."))
    watching.under_way(services.client().under_way(("measure", "tasks")))
    found, wish = candidates(shown), ask()
    if found:
        st.subheader(question.in_words(wish), anchor=False)
        st.caption(question.rule(wish))
        answered(shown, wish, answer(wish, found), found)
        proofs.of_all(services.client().ledger(shown.model))
    else:
        nothing_yet(shown, description)
    questions.show(shown, description, found)


def candidates(shown: view.View) -> list[Candidate]:
    """Everything measured on this model and the text of the view, and the frontier where the model was probed."""
    client = services.client()
    text = settled(shown.model, shown.protocol).text
    history = client.history()
    facts.unreadable(history.unreadable)
    found = [*_measured(history, shown.model, text, language())]
    predictor = client.predictor(shown.model, shown.protocol)
    if predictor is not None:
        try:
            points = Frontier(predictor).points(POINTS)
            found += unproved(predicted(points, shown.model), found)
        except OptLabError as error:
            st.caption(sentence(error.message))
    return found


@lru_cache(maxsize=2)
def _measured(history: History, model: str, text: str | None, language: str) -> tuple[Candidate, ...]:
    """Titles are in `language`."""
    return tuple(measured(chosen(history.measurements, model, text)))


def ask() -> Wish:
    """The form; a limit that is left empty is none."""
    preferences: dict[Preference, str] = {
        "small": _("the smallest"), "fast": _("the fastest"), "close": _("the closest to the original"),
    }  # fmt: skip
    tasks = {
        "write": (_("Writing or chat"), 5.0),
        "classify": (_("Topic classification"), 20.0),
        "draft": (_("Next-word suggestions"), 10.0),
    }
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            task = st.selectbox(
                _("Use"), list(tasks), format_func=lambda one: tasks[one][0], width=220, key="advisor/task",
                help=_("Sets the suggested quality limit: classification tolerates more loss than writing."),
            )  # fmt: skip
            memory = st.number_input(
                _("Device memory, MB"), 1.0, 10_000_000.0, None, step=100.0, width=200, key="advisor/memory",
                placeholder=_("no limit"),
            )  # fmt: skip
            speed = st.number_input(
                _("Tokens per second"), 0.1, 100_000.0, None, step=10.0, width=170, key="advisor/speed",
                placeholder=_("no limit"), help=_("People read about five tokens per second."),
            )  # fmt: skip
            worse = st.number_input(
                _("Quality limit, % worse"), 0.0, 10_000.0, tasks[task][1], step=1.0, width=210,
                key=f"advisor/worse/{task}",
                help=_("In perplexity. The worse end of the interval must stay within it."),
            )  # fmt: skip
        prefer = st.segmented_control(
            _("Of those that qualify, choose"), list(preferences), default="small", format_func=preferences.__getitem__,
            key="advisor/prefer",
        )  # fmt: skip
    return Wish(round(memory * MEGABYTE) if memory else None, speed, worse, prefer or "small")


def answered(shown: view.View, wish: Wish, found: Answer, everyone: list[Candidate]) -> None:
    """The answer with its reasons, or what stands in its way."""
    original = original_of(everyone)
    if found.best is not None:
        recommend(shown, wish, found.best, original, _("Recommended"))
    if found.better is not None:
        heading = _("Possibly better, not measured yet") if found.best else _("Best by prediction, not measured yet")
        recommend(shown, wish, found.better, original, heading)
    if (chosen := found.best or found.better) is not None:
        rivals(shown, wish, chosen, [one for one in everyone if one is not found.better])
    else:
        refuse(shown, wish, found, original, len(everyone))


def recommend(shown: view.View, wish: Wish, one: Candidate, original: Candidate | None, heading: str) -> None:
    """A candidate, why, and what can be done with it."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_("{heading}: **{title}**").format(heading=heading, title=escaped(one.title)), width="stretch")
            if one.source == "measured":
                st.badge(_("measured"), color="blue", icon=":material/check:")
            else:
                st.badge(_("predicted"), color="orange", icon=":material/insights:",
                         help=prediction.record(services.client(), shown.model))  # fmt: skip
        st.markdown("\n".join(f"- {escaped(reason)}" for reason in reasons(wish, one, original)))
        recipe = one.recipe
        if one.source == "measured" and isinstance(recipe, Recipe):
            proofs.show(services.client().ledger(shown.model), recipe)
        if not isinstance(recipe, Recipe):
            return  # of a method that is no more: told, but it cannot be applied
        if one.source == "predicted":
            with st.expander(_("Recipe"), icon=":material/description:"):
                st.code(recipe.to_yaml(), language="yaml", wrap_lines=True)
        with st.container(horizontal=True):
            if one.source == "predicted" and st.button(
                _("Prove it"), type="primary", icon=":material/play_arrow:", help=_("Measures this recipe.")
            ):
                questions.measure(shown, recipe)
            if recipe.steps and st.button(
                _("Open in Explore"), key=f"advisor/open/{one.source}", icon=":material/tune:"
            ):
                changed = view.change(recipe=recipe)
                st.switch_page(
                    "pages/explore.py", query_params=view.link(changed.model, changed.recipe, changed.protocol)
                )


def rivals(shown: view.View, wish: Wish, chosen: Candidate, everyone: list[Candidate]) -> None:
    """What nearly won, each with why it lost, and with what became of its prediction."""
    found = near_misses(wish, chosen, everyone)
    if not found:
        return
    ledger = services.client().ledger(shown.model)
    with st.container(border=True):
        heading = _("Near misses")
        st.markdown(f"**{heading}**")
        for miss in found:
            icon = ":material/block:" if miss.broken else ":material/straighten:"
            source = _("measured") if miss.candidate.source == "measured" else _("predicted")
            size = format.megabytes(miss.candidate.size_bytes)
            told = _("**{title}** ({size}, {source}): {why}").format(
                title=escaped(miss.candidate.title), size=size, source=source, why=escaped(miss.why))  # fmt: skip
            st.markdown(f"{icon} {told}")
            if miss.candidate.source == "measured" and isinstance(miss.candidate.recipe, Recipe):
                proofs.show(ledger, miss.candidate.recipe)


def refuse(shown: view.View, wish: Wish, found: Answer, original: Candidate | None, count: int) -> None:
    """Nothing keeps all limits: what breaks which, and what comes nearest."""
    names = {
        "memory": _("too large"),
        "speed": _("too slow, or not timed here"),
        "quality": _("not certain to be good enough"),
    }
    told = _(", ").join(f"{number} {names[limit]}" for limit, number in found.missed.items() if number)
    st.warning(
        _("None of the {count} known recipes meets all limits: {told}.").format(count=count, told=told),
        icon=":material/rule:",
    )
    if found.nearest is not None:
        heading = _("Closest ({why})").format(why=_(" and ").join(names[limit] for limit in found.broken))
        recommend(shown, wish, found.nearest, original, heading)


def nothing_yet(shown: view.View, description: Description) -> None:
    """No figure, no advice; where figures come from."""
    st.info(
        _(
            "Nothing has been measured on {model} with this text yet, so there is no advice. Measure a goal first."
        ).format(model=escaped(prepare.title(shown.model))),
        icon=":material/straighten:",
    )
    goals.row(description, shown.recipe, partial(questions.measure, shown))
    prediction.offer(services.client(), shown.model)
