"""Every size: the best quality at each, predicted with its band; ask it a question, and prove the answer."""

from __future__ import annotations

import streamlit as st

from optlab.errors import OptLabError
from optlab.figures import format, frames, verdict
from optlab.figures import frontier as figure
from optlab.i18n import _, plural
from optlab.jobs.measured import readable
from optlab.prediction.frontier import Frontier, Point
from pages.components.find_best import proofs, proving
from pages.components.shared import measuring, prediction, services, view, watching
from pages.components.shared.services import sentence

MEGABYTE = 1_000_000
TELLING_PERCENT = 5.0
"""The size that is asked for at first is one at which something is lost: at half of the file nothing ever is."""


def show(shown: view.View) -> None:
    """Draw it, for a model that is prepared."""
    client = services.client()
    predictor = client.predictor(shown.model, shown.protocol)
    if predictor is None:
        st.markdown(_("For every size, the best of thousands of recipes, chosen layer by layer."))
        prediction.offer(client, shown.model)
        return
    try:
        explore(shown, Frontier(predictor))
        prediction.time_speed(client, shown)
    except OptLabError as error:
        st.info(sentence(error.message), icon=":material/hourglass_top:")
        prediction.offer(client, shown.model)


def explore(shown: view.View, frontier: Frontier) -> None:
    """The question, the chart, the answer."""
    client = services.client()
    points = frontier.points()
    question, answer = ask(frontier, points)
    rows = frames.tradeoffs(client.records())
    event = st.plotly_chart(
        figure.chart(figure.frame(points), rows[rows["model"] == shown.model], answer),
        key="frontier/chart", config={"displayModeBar": False}, on_select="rerun", selection_mode=("points", "box"),
        alt=_("Predicted perplexity against size, with measured points"),
    )  # fmt: skip
    chosen = [points[number] for number in figure.selected(points, event)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(prediction.record(client, shown.model), width="stretch")
        if chosen and st.button(
            plural("Prove {count} chosen point", "Prove {count} chosen points", len(chosen)),
            icon=":material/play_arrow:", key="frontier/prove",
        ):  # fmt: skip
            proving.ask(client, shown, chosen)
    if not chosen:
        st.caption(_("Click a point on the line, or drag a box around several, to measure them."))
    if answer is not None:
        prove(shown, question, answer)
    proofs.of_all(client.ledger(shown.model))
    watching.under_way(client.under_way(("measure",), shown.model))


def ask(frontier: Frontier, points: list[Point]) -> tuple[str, Point | None]:
    """The question, by a name of its own, and the point that answers it."""
    questions = {
        "quality": _("at most a loss"),
        "size": _("at most a size"),
        "speed": _("at least a speed"),
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(
            _("I want a model that is"), list(questions), format_func=lambda one: questions[one], width=260
        )
        try:
            wanted, answer = asked(kind, frontier, points)
        except OptLabError as error:
            st.warning(sentence(error.message))
            return kind, None
    question = f"{frontier.predictor.state.model}/{kind}/{wanted:g}"
    return question, proving.kept(question, frontier, answer)


def asked(kind: str, frontier: Frontier, points: list[Point]) -> tuple[float, Point]:
    """The limit that a person sets, and the point that keeps it. Raises OptLabError where none does."""
    if kind == "quality":
        worse = st.number_input(_("% worse"), 0.0, 1000.0, 5.0, width=160)
        return worse, frontier.at_most_ratio(1 + worse / 100)
    if kind == "size":
        smallest, largest = points[0].size_bytes, points[-1].size_bytes
        start = frontier.at_most_ratio(1 + TELLING_PERCENT / 100).size_bytes
        wanted = st.number_input(
            _("MB"), smallest / MEGABYTE, largest / MEGABYTE, start / MEGABYTE, width=160, format="%.3g"
        )
        return wanted, frontier.at_most_bytes(round(wanted * MEGABYTE))
    fast = st.number_input(_("tokens per second"), 1.0, 100_000.0, 50.0, width=160)
    return fast, frontier.at_least_speed(fast)


def prove(shown: view.View, question: str, answer: Point) -> None:
    """The answer in words, as measured once it was, and what can be done with it."""
    client = services.client()
    run = client.find(shown.model, answer.recipe, shown.protocol)
    done = next(iter(readable([run])), None) if run is not None else None
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            if done is not None:
                st.markdown(f"**{format.megabytes(answer.size_bytes)}{_(', ')}{verdict.in_words(done.result)}**",
                            width="stretch")  # fmt: skip
                st.badge(_("measured"), color="blue", icon=":material/check:")
            else:
                st.markdown(f"**{claimed(answer)}**", width="stretch")
                st.badge(_("predicted"), color="orange", icon=":material/insights:")
                proof = measuring.label(client, shown, _("Prove it"), answer.recipe)
                if st.button(
                    proof, type="primary", icon=":material/play_arrow:", key="frontier/prove/one",
                    help=_("Measures this recipe."), disabled=run is not None and run.live,
                ):  # fmt: skip
                    proving.keep(question, answer)
                    proving.ask(client, shown, [answer])
                    st.rerun()
            if st.button(_("Open in Explore"), icon=":material/tune:"):
                changed = view.change(recipe=answer.recipe)
                link = view.link(changed.model, changed.recipe, changed.protocol)
                st.switch_page("pages/explore.py", query_params=link)
        if done is not None:
            proofs.show(client.ledger(shown.model), answer.recipe)
        with st.expander(_("Recipe"), icon=":material/description:"):
            st.code(answer.recipe.to_yaml(), language="yaml", wrap_lines=True)


def claimed(answer: Point) -> str:
    """What is predicted of it."""
    told = answer.prediction
    words = [format.megabytes(answer.size_bytes)]
    if told.ppl_ratio is not None:
        words.append(format.worse(told.ppl_ratio))
    if told.decode_ms:
        words.append(_("{time} per token").format(time=format.milliseconds(told.decode_ms)))
    return _(", ").join(words)
