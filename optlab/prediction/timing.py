"""A few recipes timed on this machine, to which the kernel cost model (`speed`) is fitted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from optlab import texts
from optlab.calibrate.statistics import Statistics
from optlab.compression import Compressed
from optlab.evaluation.latency import latency
from optlab.kernels.rule import loop_of
from optlab.kernels.runtime import refusal, runtime
from optlab.messages import say
from optlab.models.language_model import LanguageModel
from optlab.prediction.speed import kernel_bytes
from optlab.prediction.state import State, folder_of
from optlab.prediction.tables import apply
from optlab.prediction.treatment import treatment
from optlab.progress import Progress, silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step

ROUNDS = 4
PROMPT_TOKENS = 128


def timed_recipes(state: State) -> list[Recipe]:
    """The original, both kernels, and one kernel with wider scales, which tells bytes from calls."""

    def rounded(bits: int, group: int | None, symmetric: bool = False) -> Recipe:
        return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group, "symmetric": symmetric}))

    main = next(table for key, table in state.tables.items() if key.startswith("quantize rtn"))
    group = main.levels[0]["group_size"]
    return [Recipe(), rounded(8, None, True), rounded(4, group), rounded(4, None)]


def time_decoding(
    model: LanguageModel, state: State, dtype: str, lock: Callable[[], AbstractContextManager[None]],
    progress: Progress = silent,
) -> None:  # fmt: skip
    """Fill `state.timings` and save it; nothing where it is filled or the model does not write token by token.

    dtype: of activations. lock: gives the machine for itself alone while the runtimes are timed in turn.
    """
    if state.timings or refusal(model):
        return
    ids = texts.evaluation_tokens(model.description.default_text, model.tokenizer, Protocol().tokens, model.framing())
    sides, read = {}, {}
    recipes = timed_recipes(state)
    for number, recipe in enumerate(recipes):
        progress(0.5 * number / len(recipes), say("preparing to time {recipe}", recipe=recipe.describe()))
        working = model.clone()
        stored = apply(model, working, recipe, None, _no_statistics)
        name = recipe.describe()
        sides[name] = runtime(Compressed(working, stored, [], recipe, 0.0), dtype)
        read[name] = kernel_bytes(state, treatment(state, recipe), loop_of(sides[name].path))
    with lock():
        found = latency(
            sides, ids, PROMPT_TOKENS, rounds=ROUNDS, context_length=model.description.context_length, progress=progress
        )
    state.timings = [
        {
            "recipe": name, "bytes": read[name], "decode_ms": one.decode_ms, "low": min(one.decode_ms_by_round),
            "high": max(one.decode_ms_by_round), "dtype": dtype, "path": one.path,
        }
        for name, one in found.items()
    ]  # fmt: skip
    state.save(folder_of(model.fingerprint))


def _no_statistics() -> Statistics:
    raise AssertionError("rounding needs no calibration")
