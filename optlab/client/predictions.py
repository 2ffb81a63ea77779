"""Predictions in the life of runs: made when a measurement is asked for, kept beside it, and learnt from afterwards.

The store keeps no table of its own for this. What was predicted is written into a run's spec before the run exists, so
nobody can improve it later; what was measured is the run's result; the ledger reads both. A predictor also learns from
every finished measurement of the same weights on the same text. Torch-free.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import MeasuredRun, readable
from optlab.jobs.subject import Subject
from optlab.prediction.family_predictions import prediction_table as table_of
from optlab.prediction.ledger import Ledger, entry
from optlab.prediction.ledger import ledger as ledger_of
from optlab.prediction.recipe_family import RecipeFamily
from optlab.prediction.state import State, folder_of
from optlab.results.prediction_table import PredictionTable
from optlab.results.recipe import UnknownRecipe
from optlab.store.run import Status
from optlab.store.store import Store

if TYPE_CHECKING:
    from optlab.prediction.predictor import Observation, Predictor

KEPT = 4
"""Predictors, and ledgers, that a process keeps in memory."""
TABLES_KEPT = 16
SAME_WORDS = ("text", "tokens", "context", "bos")
"""What two protocols must share for the original to have one perplexity under both."""

_predictors: OrderedDict[tuple[Any, ...], Predictor] = OrderedDict()
_ledgers: OrderedDict[object, Ledger] = OrderedDict()
_tables: OrderedDict[object, PredictionTable] = OrderedDict()


def predictor(store: Store, subject: Subject) -> Predictor | None:
    """What predicts recipes of the subject's model on its text, having learnt from every finished measurement there.

    None until the model was prepared and its probe has found something. Fitting takes longer than a prediction, so a
    predictor is kept while nothing new is done.
    """
    from optlab.prediction.predictor import Predictor

    if subject.fingerprint is None:
        return None
    folder, text = folder_of(subject.fingerprint), subject.protocol.text
    try:
        changed = (folder / "state.json").stat().st_mtime_ns
        identity = (str(folder), changed, store.url, store.counts()[Status.DONE], text)
        if identity not in _predictors:
            _predictors[identity] = Predictor(State.load(folder), observations(store, subject), text)
            while len(_predictors) > KEPT:
                _predictors.popitem(last=False)
    except (OSError, ModelError):
        return None
    _predictors.move_to_end(identity)
    return _predictors[identity]


def prediction_table(store: Store, subject: Subject, family: RecipeFamily) -> PredictionTable | None:
    """What is predicted of every recipe of `family`; None where nothing is (see `predictor`).

    Kept while nothing new is done: a page asks at every movement of a knob.
    """
    found = predictor(store, subject)
    if found is None:
        return None
    axes = family.bits, family.sparsities, family.temperatures
    asked = (found, family.recipe.content_hash, axes, subject.protocol.model_dump_json())
    if asked not in _tables:
        text, ppl = subject.protocol.text, original_ppl(store, subject)
        _tables[asked] = table_of(found, family, subject.model, text, ppl)
        while len(_tables) > TABLES_KEPT:
            _tables.popitem(last=False)
    _tables.move_to_end(asked)
    return _tables[asked]


def original_ppl(store: Store, subject: Subject) -> float | None:
    """The perplexity of the original on the subject's words, as a measurement there found it; None before the first."""
    wanted = [getattr(subject.protocol, name) for name in SAME_WORDS]
    for one in readable(store.list(kind=MEASURE.name, status=Status.DONE)):
        ppl = one.result.baseline.ppl
        read = [getattr(one.spec.protocol, name) for name in SAME_WORDS]
        if _same(one, subject) and read == wanted and not one.result.stopped_early and math.isfinite(ppl):
            return ppl
    return None


def probed(fingerprint: str, timed: bool) -> bool:
    """Whether the probe of the model with these weights is finished on this machine. timed: decoding belongs to it."""
    try:
        state = State.load(folder_of(fingerprint))
    except (OSError, ModelError):
        return False
    return state.done and bool(state.timings or not timed)


def observations(store: Store, subject: Subject) -> list[Observation]:
    """What finished measurements of the weights that the subject's model has now, on its text, teach."""
    from optlab.prediction.predictor import Observation

    found = []
    for one in readable(store.list(kind=MEASURE.name, status=Status.DONE)):
        nll, kl = one.result.delta.nll, one.result.delta.kl_mean
        if _same(one, subject) and math.isfinite(nll) and math.isfinite(kl):
            found.append(Observation(one.spec.known_recipe, nll, kl, one.result.tokens))
    return found


def _same(one: MeasuredRun, subject: Subject) -> bool:
    """Whether a measurement is of the subject's weights, on its text."""
    if (one.spec.model, one.spec.protocol.text) != (subject.model, subject.protocol.text):
        return False
    if isinstance(one.spec.recipe, UnknownRecipe):
        return False
    return one.run.key in [MEASURE.key(one.spec, weights) for weights in subject.weights]


def ledger(store: Store, model: str | None) -> Ledger:
    """The ledger of finished measurements (of `model`), newest first; those without a prediction do not appear.

    It is kept while nothing new is done: a page asks at every movement of a knob, and reading the results of a hundred
    runs takes longer than all else that it does.
    """
    last = [(run.id, run.finished) for run in store.list(kind=MEASURE.name, status=Status.DONE, limit=1)]
    newest = (store.url, store.counts()[Status.DONE], str(last), model)
    if newest not in _ledgers:
        done = readable(store.list(kind=MEASURE.name, status=Status.DONE))
        found = [one for one in done if model in (None, one.spec.model)]
        found.sort(key=lambda one: one.run.finished or 0.0, reverse=True)
        _ledgers[newest] = ledger_of(
            entry(one.spec.recipe, one.spec.predicted, one.result.delta.nll, one.run.finished) for one in found
        )
        while len(_ledgers) > KEPT:
            _ledgers.popitem(last=False)
    return _ledgers[newest]
