"""A few recipes timed in turns on this machine, to which the kernel cost model (`speed`) is fitted.

Kept for each model, machine and precision, and apart from the probe: what a recipe costs in quality travels to another
machine, what it costs in time does not. Only `time_decoding` needs torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from optlab import paths, sealed
from optlab.errors import OptLabError
from optlab.evaluation.environment import load
from optlab.machine.identity import machine_id
from optlab.machine.processor import cores
from optlab.messages import say
from optlab.prediction.state import State
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.probe import SpeedAnchors, TimedRecipe

if TYPE_CHECKING:
    from optlab.calibrate.statistics import Statistics
    from optlab.models.language_model import LanguageModel

ROUNDS = 4
PROMPT_TOKENS = 128
LOADED = 0.5
"""Of the cores that others wanted in the minute before: a timing under more is not believed for long."""
WIDE = 0.25
"""Of the median round that the slowest and the fastest may be apart; more, and something else ran in between."""


def timed_recipes(state: State) -> list[Recipe]:
    """The original, both kernels, and one kernel with wider scales, which tells bytes from calls; each recipe once,
    because widths without a common group size have a scale per row in any case."""

    def rounded(bits: int, group: int | None, symmetric: bool = False) -> Recipe:
        return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group, "symmetric": symmetric}))

    main = next(table for key, table in state.tables.items() if key.startswith("quantize rtn"))
    group = main.levels[0]["group_size"]
    wanted = [Recipe(), rounded(8, None, True), rounded(4, group), rounded(4, None)]
    return list({recipe.content_hash: recipe for recipe in wanted}.values())


def place_of(fingerprint: str, dtype: str) -> Path:
    """Where the speed anchors of the model with these weights are kept, of this machine and a precision."""
    return paths.folder("speed") / f"{fingerprint[:32]}-{machine_id()}-{dtype}.json"


def known(fingerprint: str, dtype: str) -> SpeedAnchors | None:
    """The speed anchors of this machine; None where it timed none. dtype: of activations."""
    try:
        kept = sealed.read_json(place_of(fingerprint, dtype))
        return None if kept is None else SpeedAnchors.from_json(str(kept))
    except OptLabError:
        return None


def keep(anchors: SpeedAnchors) -> None:
    """Write them where `known` finds them. Raises OSError."""
    sealed.write_json(place_of(anchors.fingerprint, anchors.dtype), anchors.to_json())


def disturbed(anchors: SpeedAnchors) -> bool:
    """Whether something else ran while these were timed: others wanted cores, or rounds of one recipe are far apart."""
    cores, load = anchors.machine.cores or 1, anchors.machine.load
    if load is not None and load > LOADED * cores:
        return True
    return any((one.high - one.low) / one.decode_ms > WIDE for one in anchors.timed)


def quiet() -> bool:
    """Whether hardly anybody has wanted a core of this machine in the last minute; True where nobody counts."""
    wanted = load()
    return wanted is None or wanted <= LOADED * cores() / 2


def time_decoding(
    model: LanguageModel, state: State, dtype: str, lock: Callable[[], AbstractContextManager[None]],
    progress: Progress = silent,
) -> SpeedAnchors | None:  # fmt: skip
    """Time the speed anchors and keep them; None where the model does not write token by token.

    dtype: of activations. lock: gives the machine for itself alone while the runtimes are timed in turn. A timing that
    was disturbed does not take the place of one that was not.
    """
    from optlab import texts
    from optlab.compression import Compressed
    from optlab.evaluation.latency import latency
    from optlab.kernels.runtime import refusal, runtime
    from optlab.prediction.tables import apply

    if refusal(model):
        return None
    ids = texts.evaluation_tokens(model.description.default_text, model.tokenizer, Protocol().tokens, model.framing())
    recipes = timed_recipes(state)
    sides = {}
    for number, recipe in enumerate(recipes):
        progress(0.5 * number / len(recipes), say("preparing to time {recipe}", recipe=recipe.describe()))
        working = model.clone()
        stored = apply(model, working, recipe, None, _no_statistics)
        sides[recipe.describe()] = runtime(Compressed(working, stored, [], recipe, 0.0), dtype)
    with lock():
        length = model.description.context_length
        timing = span(progress, 0.5, 1.0)
        found = latency(sides, ids, PROMPT_TOKENS, rounds=ROUNDS, context_length=length, progress=timing)
    timed = tuple(
        TimedRecipe(recipe=recipe, decode_ms=one.decode_ms, low=min(one.decode_ms_by_round),
                    high=max(one.decode_ms_by_round))
        for recipe, one in zip(recipes, found.values(), strict=True)
    )  # fmt: skip
    first = next(iter(found.values()))
    anchors = SpeedAnchors(
        fingerprint=model.fingerprint, dtype=dtype, path=first.path, timed=timed, machine=first.machine,
        made=time.time(),
    )  # fmt: skip
    before = known(model.fingerprint, dtype)
    if before is None or disturbed(before) or not disturbed(anchors):
        keep(anchors)
    return anchors


def _no_statistics() -> Statistics:
    raise AssertionError("rounding needs no calibration")
