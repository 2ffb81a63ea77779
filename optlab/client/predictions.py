"""Predictions in the life of runs: made when a measurement is asked for, kept beside it, and learnt from afterwards.

The store keeps no table of its own for this. What was predicted is written into a run's spec before the run exists, so
nobody can improve it later; what was measured is the run's result; the ledger reads both. A predictor also learns from
every finished measurement of the same weights on the same text. Torch-free.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.jobs import history
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.originals import on_the_words_of
from optlab.jobs.subject import Subject
from optlab.prediction import timing
from optlab.prediction.family_predictions import prediction_table as table_of
from optlab.prediction.ledger import Ledger, entry
from optlab.prediction.ledger import ledger as ledger_of
from optlab.prediction.recipe_family import RecipeFamily
from optlab.prediction.state import State, known
from optlab.recipes import Recipe
from optlab.results.prediction_table import PredictionTable
from optlab.results.recipe import UnknownRecipe
from optlab.store.run import Status
from optlab.store.store import Store

if TYPE_CHECKING:
    from optlab.prediction.predictor import Observation, Predictor
    from optlab.prediction.speed import TimedRatio

KEPT = 4
"""Predictors, and ledgers, that a process keeps in memory."""
TABLES_KEPT = 16

_predictors: OrderedDict[tuple[Any, ...], Predictor] = OrderedDict()
_ledgers: OrderedDict[object, Ledger] = OrderedDict()
_tables: OrderedDict[object, PredictionTable] = OrderedDict()


def predictor(store: Store, subject: Subject) -> Predictor | None:
    """What predicts recipes of the subject's model on its text, having learnt from every finished measurement there.

    None until the model was prepared and its probe has found something. Fitting takes longer than a prediction, so a
    predictor is kept while nothing new is done.
    """
    from optlab.prediction.predictor import Predictor

    probe, text, dtype = probe_of(subject), subject.protocol.text, subject.protocol.decodes_in
    if probe is None or subject.fingerprint is None:
        return None
    try:
        changed = probe.stat().st_mtime_ns
        timed = timing.known(subject.fingerprint, dtype)
        done = store.counts()[Status.DONE]
        identity = (str(probe), changed, timed and timed.made, store.url, done, text, dtype)
        if identity not in _predictors:
            taught = observations(store, subject)
            _predictors[identity] = Predictor(State.load(probe), taught, text, timed, speeds(store, subject))
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
    done = history.measurements(store)
    found = on_the_words_of((one for one in done if _same(one, subject)), subject.protocol)
    return None if found is None else found.ppl


def probed(fingerprint: str) -> bool:
    """Whether the probe of the model with these weights is finished, here or where it came from."""
    probe = known(fingerprint)
    try:
        return probe is not None and State.load(probe).done
    except ModelError:
        return False


def probe_of(subject: Subject) -> Path | None:
    """The file of the probe of the subject's model; None where there is none, or its weights were not read yet."""
    return None if subject.fingerprint is None else known(subject.fingerprint)


def speed_known(subject: Subject) -> bool:
    """Whether the speed anchors of the subject's model were timed on this machine, in its precision."""
    return (
        subject.fingerprint is not None and timing.known(subject.fingerprint, subject.protocol.decodes_in) is not None
    )


def speed_doubted(subject: Subject) -> bool:
    """Whether they were timed while something else ran, which seems to be over."""
    if subject.fingerprint is None:
        return False
    anchors = timing.known(subject.fingerprint, subject.protocol.decodes_in)
    return anchors is not None and timing.disturbed(anchors) and timing.quiet()


def observations(store: Store, subject: Subject) -> list[Observation]:
    """What finished measurements of the weights that the subject's model has now, on its text, teach."""
    from optlab.prediction.predictor import Observation

    found = []
    for one in history.measurements(store):
        nll, kl = one.headline.delta.nll, one.headline.delta.kl_mean
        if _same(one, subject) and math.isfinite(nll) and math.isfinite(kl):
            found.append(Observation(one.spec.known_recipe, nll, kl, one.headline.tokens))
    return found


def speeds(store: Store, subject: Subject) -> list[TimedRatio]:
    """What finished measurements timed on this machine of the subject's weights, in its precision: ratios of rounds
    that were timed in turns with the original."""
    from optlab.prediction.speed import TimedRatio

    found = []
    for one in history.measurements(store):
        delta, pair = one.headline.delta, one.headline.latency
        if pair is None or not delta.decode_speedup or one.spec.protocol.decodes_in != subject.protocol.decodes_in:
            continue
        if _same_weights(one, subject) and isinstance(one.spec.recipe, Recipe):
            low, high = delta.decode_speedup_ci95 or (delta.decode_speedup, delta.decode_speedup)
            found.append(
                TimedRatio(
                    one.spec.recipe, 1 / delta.decode_speedup, 1 / high, 1 / low, pair.base.decode_ms,
                    one.run.finished or 0.0, pair.base.path,
                )
            )  # fmt: skip
    return found


def _same(one: MeasuredRun, subject: Subject) -> bool:
    """Whether a measurement is of the subject's weights, on its text."""
    return one.spec.protocol.text == subject.protocol.text and _same_weights(one, subject)


def _same_weights(one: MeasuredRun, subject: Subject) -> bool:
    """Whether a measurement is of the subject's weights; one with a latency, whether it was made on this machine."""
    if one.spec.model != subject.model or isinstance(one.spec.recipe, UnknownRecipe):
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
        done = history.measurements(store)
        found = [one for one in done if model in (None, one.spec.model)]
        found.sort(key=lambda one: one.run.finished or 0.0, reverse=True)
        _ledgers[newest] = ledger_of(
            entry(one.spec.recipe, one.spec.predicted, one.headline.delta.nll, one.run.finished) for one in found
        )
        while len(_ledgers) > KEPT:
            _ledgers.popitem(last=False)
    return _ledgers[newest]
