"""The temperature lab: at a position of real text, what teacher and student expect, and what temperature does to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import streamlit as st

from optlab.distill import temperature_lab
from optlab.figures import distillation, format
from optlab.i18n import _
from optlab.jobs.measure import MEASURE
from optlab.jobs.temperature_lab import TEMPERATURE_LAB
from optlab.results.temperature_lab import Position
from optlab.store.run import Run
from pages.components.shared import services, view, watching

CHART = {"displayModeBar": False}
PASSAGES = 200


def show(shown: view.View, done: Run | None) -> None:
    """done: the run of a finished student, which then answers beside the teacher."""
    client = services.client()
    recipe = None if done is None else MEASURE.spec_of(done).known_recipe
    with st.container(horizontal=True, vertical_alignment="bottom"):
        passage = st.number_input(_("Passage of the text"), 1, PASSAGES, 1, key="lab/passage", width=160)
        if st.button(_("Read passage"), key="lab/read", icon=":material/menu_book:"):
            client.submit_temperature_lab(shown.model, recipe, shown.protocol, int(passage) - 1)
    run = client.latest("temperature_lab", shown.model)
    if run is None:
        st.caption(_("The teacher reads a passage; at every position you see what it predicted, at each temperature."))
        return
    watching.watch(run, "lab", _look)


def _look(run: Run) -> None:
    """Choose a position and a temperature, and see."""
    found = TEMPERATURE_LAB.result_of(run)
    if found is None:
        return
    tokens, temperatures = found.tokens, found.temperatures
    left, right = st.columns(2)
    at = left.select_slider(
        _("Position"), list(range(len(found.positions))), min(8, len(found.positions) - 1), key="lab/position",
        format_func=lambda one: f"{one + 1}: {tokens[one].strip() or '·'}",
        help=_("The models have read up to here and predict the next token."),
    )  # fmt: skip
    chosen = right.select_slider(
        _("Temperature"), temperatures, 1.0, key="lab/temperature", format_func=lambda one: f"{one:g}"
    )
    before, true = "".join(tokens[: at + 1]), tokens[at + 1]
    st.markdown(f":gray[{services.escaped(before)}] **{services.escaped(true.strip() or '·')}**")
    place, number = found.positions[at], temperatures.index(chosen)
    _words(found.names, place, number, temperatures)
    _numbers(place, number, temperatures)


def _words(names: Mapping[int, str], place: Position, number: int, temperatures: Sequence[float]) -> None:
    teacher = temperature_lab.shown(place.teacher, temperatures, number)
    student = temperature_lab.shown(place.student, temperatures, number) if place.student else None
    st.plotly_chart(
        distillation.top_tokens([names[one] for one in place.ids], teacher, student), key="lab/words", config=CHART,
        alt=_("Probabilities of the most likely next tokens at this temperature"),
    )  # fmt: skip


def _numbers(place: Position, number: int, temperatures: Sequence[float]) -> None:
    sides = [place.teacher, *([place.student] if place.student else [])]
    names = [_("teacher"), _("student")][: len(sides)]
    columns = st.columns(2)
    with columns[0]:
        st.plotly_chart(
            distillation.over_temperatures(temperatures, [side.entropy for side in sides], names,
                                           _("entropy, nats"), temperatures[number]),
            key="lab/entropy", config=CHART, alt=_("Entropy of the predictions at every temperature"),
        )  # fmt: skip
        st.caption(_("At this temperature the teacher is as unsure as between {count} equally likely tokens.").format(
            count=format.number(math.exp(place.teacher.entropy[number]), 3)))  # fmt: skip
    if place.student is None or place.gradient is None or place.pull is None:
        columns[1].caption(_("Train a student to see its predictions and gradient beside the teacher's."))
        return
    with columns[1]:
        st.plotly_chart(
            distillation.over_temperatures(temperatures, [place.gradient], [_("gradient")],
                                           _("size of the gradient"), temperatures[number]),
            key="lab/gradient", config=CHART, alt=_("Size of the student's gradient at every temperature"),
        )  # fmt: skip
        pull = place.pull[number][place.ids.index(place.true)] if place.true is not None else 0.0
        words = _("The gradient pushes the true next token {way} by {pull} here; the text alone would give a "
                  "gradient of size {hard}.")  # fmt: skip
        st.caption(words.format(way=_("up") if pull > 0 else _("down"), pull=format.number(abs(pull), 2),
                                hard=format.number(place.hard_gradient, 3)))  # fmt: skip
