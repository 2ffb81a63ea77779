"""Predictions in the life of runs: made when a measurement is asked for, kept beside it, and learnt from afterwards.

The store keeps no table of its own for this. What was predicted is written into a run's spec before the run exists, so
nobody can improve it later; what was measured is the run's result; the ledger reads both. A predictor also learns from
every finished measurement of the same weights on the same text. Torch-free.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.prediction.ledger import Ledger, entry, ledger
from optlab.prediction.state import State, folder_of
from optlab.recipes import Recipe
from optlab.store.run import Run

if TYPE_CHECKING:
    from optlab.prediction.predictor import Predictor

KEPT = 4
"""Predictors, and ledgers, that a process keeps in memory."""

_predictors: OrderedDict[tuple[Any, ...], Predictor] = OrderedDict()
_ledgers: OrderedDict[object, Ledger] = OrderedDict()


def predictor(
    fingerprint: str, newest: object, measured: Callable[[], Iterable[Run]], text: str | None = None
) -> Predictor | None:
    """The predictor of the model with these weights; None while its probe has found nothing yet.

    measured: its finished measurements on `text` (None: that of its probe), from which it learns. newest: anything that
    is another value whenever they are others; fitting takes longer than a prediction, so a predictor is kept while
    nothing is new.
    """
    from optlab.prediction.predictor import Predictor

    folder = folder_of(fingerprint)
    try:
        changed = (folder / "state.json").stat().st_mtime_ns
        identity = (str(folder), changed, newest, text)
        if identity not in _predictors:
            state = State.load(folder)
            _predictors[identity] = Predictor(state, observations(measured()), text)
            while len(_predictors) > KEPT:
                _predictors.popitem(last=False)
    except (OSError, ModelError):
        return None
    _predictors.move_to_end(identity)
    return _predictors[identity]


def probed(fingerprint: str, timed: bool) -> bool:
    """Whether the probe of the model with these weights is finished on this machine. timed: decoding belongs to it."""
    try:
        state = State.load(folder_of(fingerprint))
    except (OSError, ModelError):
        return False
    return state.done and bool(state.timings or not timed)


def observations(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """What finished measurements teach: recipe, difference of the loss and divergence in nats, tokens read."""
    found = []
    for run in runs:
        result = run.result or {}
        delta = result.get("delta") or {}
        nll, kl = delta.get("nll"), delta.get("kl_mean")
        if nll is not None and kl is not None and math.isfinite(nll) and math.isfinite(kl):
            recipe = run.spec["recipe"]
            found.append(
                {
                    "hash": Recipe.from_dict(recipe).content_hash, "recipe": recipe, "nll": nll, "kl": kl,
                    "tokens": result["tokens"],
                }
            )  # fmt: skip
    return found


def record(newest: object, runs: Callable[[], Iterable[Run]]) -> Ledger:
    """The ledger of finished measurements, newest first; those without a prediction do not appear.

    newest: anything that is another value whenever the runs are others. A page asks at every movement of a knob, and
    reading the results of a hundred runs takes longer than all else that it does.
    """
    if newest not in _ledgers:
        _ledgers[newest] = ledger(
            entry(run.spec["recipe"], run.spec.get("predicted"), run.result, run.finished) for run in runs()
        )
        while len(_ledgers) > KEPT:
            _ledgers.popitem(last=False)
    return _ledgers[newest]
