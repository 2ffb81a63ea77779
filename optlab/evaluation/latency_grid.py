"""How speed depends on the length of the prompt and on how many texts are answered at once.

A latency at batch 1 is bound by memory, and fewer bits help; a server with many texts at a time is bound by arithmetic,
and they help less. Each cell of the grid times all models in turn (A B A B), as `optlab.evaluation.latency` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.evaluation.latency import Clock, Speedup, no_collection, of_rounds
from optlab.messages import Counted, say
from optlab.progress import Progress, silent
from optlab.results.latency_grid import Cell, Cells

PROMPTS = (64, 256, 1024)
BATCHES = (1, 2, 4, 8)
NEW_TOKENS = 16
ROUNDS = 3
BASE = "base"
PERCENTILES = (0.05, 0.5, 0.95)


class Growing(Protocol):
    """Texts that are continued together; `optlab.kernels.batch.Batch` is."""

    def start(self, prompts: list[list[int]]) -> Tensor: ...
    def step(self, tokens: list[int]) -> Tensor: ...


def sizes(
    prompts: Sequence[int] | None, batches: Sequence[int] | None, context_length: int
) -> tuple[list[int], list[int]]:
    """The prompt lengths that leave room for the new tokens, and the batches; rising, none twice. None: those above, or
    the longest prompt of a model that is too short for all of them.

    Raises MeasurementError when nothing is left or a number is below 1.
    """
    longest = context_length - NEW_TOKENS
    asked = prompts or [min(length, longest) for length in PROMPTS]
    if any(number < 1 for number in (*asked, *(batches or BATCHES))):
        raise MeasurementError("prompt lengths and batches are whole numbers from 1 on")
    fitting = sorted({length for length in asked if length <= longest})
    if not fitting:
        raise MeasurementError(
            "with a context of {context_length} tokens and {new_tokens} new ones, no prompt of {asked} tokens "
            "can be timed",
            context_length=context_length,
            new_tokens=NEW_TOKENS,
            asked=", ".join(map(str, sorted(asked))),
        )
    return fitting, sorted(set(batches or BATCHES))


def latency_grid(
    models: Mapping[str, Callable[[int], Growing]],
    ids: Sequence[int],
    prompts: Sequence[int],
    batches: Sequence[int],
    rounds: int = ROUNDS,
    progress: Progress = silent,
    clock: Clock = time.perf_counter,
) -> Cells:
    """A cell of every side in `models` for each prompt length and batch, shortest prompt and smallest batch first.

    models: "base" and, or not, "candidate" -> what makes room for so many texts. ids: tokens of the prompts, repeated
    when too few; each text starts at another of them. progress: gets the finished cells. Raises what `models` raises.
    """
    if not models or not ids or rounds < 1:
        raise MeasurementError("a grid needs a model, a prompt, and at least one round")
    work = [(length, count) for length in prompts for count in batches]
    total, spent = sum(length * count for length, count in work), 0
    found: dict[str, list[Cell]] = {name: [] for name in models}
    for length, count in work:
        progress(spent / total, say("timing {count} x {length} tokens", count=count, length=length), _cells(found))
        texts = [[ids[(i * length + j) % len(ids)] for j in range(length)] for i in range(count)]
        seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in models}
        with no_collection():
            growing = {name: make(count) for name, make in models.items()}
            for one in growing.values():
                _round(one, [text[:1] for text in texts], 1, ([], []), clock)
            for number in range(rounds):
                for name, one in growing.items():
                    progress(
                        (spent + length * count * number / rounds) / total,
                        say("timing {count} x {length} tokens", count=count, length=length),
                    )
                    _round(one, texts, NEW_TOKENS, seconds[name], clock)
        for name, (starts, steps) in seconds.items():
            gain = None if name == BASE or BASE not in seconds else paired_ratio(seconds[BASE][1], steps, rounds)
            found[name].append(_cell(length, count, starts, steps, gain))
        spent += length * count
    progress(1.0, Counted("timed {count} size", "timed {count} sizes", count=len(work)), _cells(found))
    return _cells(found)


def _round(
    growing: Growing, texts: list[list[int]], new_tokens: int, seconds: tuple[list[float], list[float]], clock: Clock
) -> None:
    before = clock()
    tokens = growing.start(texts).argmax(dim=-1).tolist()
    seconds[0].append(clock() - before)
    for _ in range(new_tokens):
        before = clock()
        tokens = growing.step(tokens).argmax(dim=-1).tolist()
        seconds[1].append(clock() - before)


def _cell(length: int, count: int, starts: list[float], steps: list[float], gain: Speedup | None) -> Cell:
    low, middle, high = (1000 * float(np.quantile(steps, q)) for q in PERCENTILES)
    start = float(np.median(starts))
    return Cell(
        prompt_tokens=length, batch=count, step_ms=middle, step_ms_p5=low, step_ms_p95=high,
        tokens_per_s=1000 * count / middle, prefill_tokens_per_s=count * length / start,
        time_to_first_token_ms=1000 * start, speedup=gain and gain.decode_speedup,
        speedup_ci95=gain and gain.decode_speedup_ci95,
    )  # fmt: skip


def paired_ratio(base: Sequence[float], candidate: Sequence[float], rounds: int) -> Speedup:
    """How many times shorter a step is, from the medians of rounds that lie beside each other."""
    before, after = (np.median(np.reshape(steps, (rounds, -1)), axis=1) for steps in (base, candidate))
    return of_rounds(before, after)


def _cells(found: Mapping[str, Sequence[Cell]]) -> Cells:
    return Cells(**{side: tuple(cells) for side, cells in found.items()})
