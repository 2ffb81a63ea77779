"""What the recipe on the page will cost and save before it is measured, with a band and the record of the past."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import predicted
from optlab.figures.pairs import Pair
from optlab.i18n import _
from optlab.recipes import Recipe
from pages.components.shared import measuring, pairs, watching
from pages.components.shared.services import sentence
from pages.components.shared.view import View


def show(client: Client, shown: View) -> bool:
    """Draw the prediction of the view's recipe; False when this model was never probed."""
    found = of(client, shown)
    if found is None:
        return False
    if found[0].candidate is None:
        st.caption(_("This recipe lies outside what was probed, so its quality is not predicted. Measure it."))
    pairs.show_predicted(found, record(client, shown.model))
    predictor = client.predictor(shown.model, shown.protocol)
    if predictor is not None and (note := predictor.predict(shown.recipe).note):
        st.caption(sentence(note))
    return True


def of(client: Client, shown: View) -> list[Pair] | None:
    """What is predicted of the view's recipe; None when this model was never probed."""
    predictor = client.predictor(shown.model, shown.protocol)
    if predictor is None:
        return None
    return predicted.of(predictor.predict(shown.recipe), predictor.predict(Recipe()))


def time_speed(client: Client, shown: View) -> None:
    """Have the machine timed behind the page where its speed is not known, once the model is ready."""
    run = client.time_speed(shown.model, shown.protocol)
    if run is None and not client.prepared(shown.model):
        run = client.latest("prepare", shown.model)
    if run is not None and run.live:
        watching.until_done(run)


def record(client: Client, model: str) -> str:
    """How right the predictions of this model have been, as one sentence."""
    return sentence(client.ledger(model).in_words())


def offer(client: Client, model: str) -> None:
    """A button that probes the model, or how far its probe is."""
    run = client.latest("probe", model)
    if run is not None and not run.done:
        st.caption(_("The model is being probed; predictions appear meanwhile, and their bands get narrower."))
        watching.watch(run, "probe")
        return
    st.caption(_("Probe this model once to predict any recipe instantly."))
    words = measuring.label_of("probe", model, _("Probe this model"))
    if st.button(words, icon=":material/insights:", key=f"probe/{model}"):
        client.submit_probe(model)
        st.rerun()
