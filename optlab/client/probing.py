"""A model's predictor for those who can wait: its probe is made, or finished, when it is not on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.client.client import Client
from optlab.client.predictions import predictor
from optlab.errors import ModelError
from optlab.predict.state import State, folder_of
from optlab.progress import Progress, silent, span
from optlab.store.store import Store

if TYPE_CHECKING:
    from optlab.predict.predictor import Predictor


def ensured(model: str, progress: Progress = silent) -> Predictor:
    """The predictor of `model`, probed first where that is needed. Raises ModelError, TextError, Cancelled."""
    from optlab.models.describe import describe

    description = describe(model, span(progress, 0.0, 0.05))
    folder = folder_of(description.fingerprint)
    state = State.load(folder) if (folder / "state.json").is_file() else None
    timed = state is not None and (state.timings or description.objective != "causal")
    if state is None or not state.done or not timed:
        from optlab.jobs.probe import probe

        probe(model, span(progress, 0.05, 1.0))
    store = Store()
    try:
        client = Client(store)
        found = client.predictor(model) or predictor(description.fingerprint, None, list)
    finally:
        store.close()
    if found is None:
        raise ModelError(f"the probe of {model} in {folder} cannot be read; delete that folder and ask again")
    return found
