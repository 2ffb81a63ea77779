"""How speed depends on the length of the prompt and on how many texts are answered at once.

A latency at batch 1 is bound by memory, and fewer bits help; a server with many texts at a time is bound by arithmetic,
and they help less. Each cell of the grid times all models in turn (A B A B), as `optlab.evaluation.latency` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.evaluation.latency import Clock, no_collection
from optlab.messages import say
from optlab.progress import Progress, silent

PROMPTS = (64, 256, 1024)
BATCHES = (1, 2, 4, 8)
NEW_TOKENS = 16
ROUNDS = 3
PERCENTILES = (0.05, 0.5, 0.95)


class Growing(Protocol):
    """Texts that are continued together; `optlab.kernels.batch.Batch` is."""

    def start(self, prompts: list[list[int]]) -> Tensor: ...
    def step(self, tokens: list[int]) -> Tensor: ...


@dataclass(frozen=True)
class Cell:
    """Timings of one model at one prompt length and batch.

    step_ms: one new token for each of `batch` texts, the median with its 5th and 95th percentile; tokens_per_s: of all
    texts together. prefill_tokens_per_s: of all prompts together; time_to_first_token_ms: until each text has one.
    """

    prompt_tokens: int
    batch: int
    step_ms: float
    step_ms_p5: float
    step_ms_p95: float
    tokens_per_s: float
    prefill_tokens_per_s: float
    time_to_first_token_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


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
) -> dict[str, list[Cell]]:
    """Every name of `models` -> a cell for each prompt length and batch, shortest prompt and smallest batch first.

    models: name -> what makes room for so many texts. ids: tokens of the prompts, repeated when too few; each text
    starts at another of them. progress: gets the finished cells. Raises what `models` raises.
    """
    if not models or not ids or rounds < 1:
        raise MeasurementError("a grid needs a model, a prompt, and at least one round")
    work = [(length, count) for length in prompts for count in batches]
    total, spent = sum(length * count for length, count in work), 0
    found: dict[str, list[Cell]] = {name: [] for name in models}
    for length, count in work:
        progress(spent / total, say("timing {count} x {length} tokens", count=count, length=length), _plain(found))
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
            found[name].append(_cell(length, count, starts, steps))
        spent += length * count
    progress(1.0, say("timed {work_count} sizes", work_count=len(work)), _plain(found))
    return found


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


def _cell(length: int, count: int, starts: list[float], steps: list[float]) -> Cell:
    low, middle, high = (1000 * float(np.quantile(steps, q)) for q in PERCENTILES)
    start = float(np.median(starts))
    return Cell(length, count, middle, low, high, 1000 * count / middle, count * length / start, 1000 * start)


def _plain(found: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    return {name: [cell.to_dict() for cell in cells] for name, cells in found.items()}
