"""How long a person waits: milliseconds per new token and tokens of prompt per second, of several models in turn.

A machine is faster in one minute than in the next (its clock, its neighbours), by more than a quantized kernel gains.
So the models are timed in turn, A B A B, inside the same few seconds, at batch 1, after a warm-up, and medians are
reported with their spread. One round of one model is: forget, read the prompt, choose the next token, then decode
greedily; choosing a token is part of making one. The measurement must have the machine to itself, for which the
caller hands in a lock (imports run downwards only, and locks belong to `optlab.runs`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from optlab.errors import MeasurementError
from optlab.evaluation.energy import Meter
from optlab.evaluation.environment import record
from optlab.evaluation.paired import Interval, interval, ratio_interval
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.results.environment import Environment
from optlab.results.latency import Latency, TimedPair

if TYPE_CHECKING:
    from torch import Tensor

PROMPT_TOKENS = 512
NEW_TOKENS = 32
FEWEST_ROUNDS = 3
MOST_ROUNDS = 20
BUDGET_S = 8.0
WARM_UP_TOKENS = 4
READS = ("bytes_per_token", "weights_per_token", "bytes_per_position")

Floats = NDArray[np.float64]
Clock = Callable[[], float]


class Timed(Protocol):
    """What can be timed; `optlab.kernels.runtime.Runtime` is."""

    path: str
    notes: list[str]

    def reset(self) -> None: ...
    def prefill(self, ids: list[int]) -> Tensor: ...
    def decode(self, token: int) -> Tensor: ...


@dataclass
class Samples:
    """Seconds of prompts and tokens, and joules of the tokens of a round, as they come in."""

    prefill: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)


def fitting(context_length: int, prompt_tokens: int, new_tokens: int) -> tuple[int, int]:
    """(prompt, new tokens), shortened where a model that reads `context_length` tokens has no room for both."""
    new_tokens = min(new_tokens, max(context_length // 4, 1))
    return min(prompt_tokens, context_length - new_tokens), new_tokens


def latency(
    runtimes: Mapping[str, Timed],
    ids: Sequence[int],
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    rounds: int | None = None,
    budget_s: float = BUDGET_S,
    context_length: int | None = None,
    lock: AbstractContextManager[Any] | None = None,
    progress: Progress = silent,
    clock: Clock = time.perf_counter,
    meter: Meter | None = None,
) -> dict[str, Latency]:
    """Time `runtimes` in turn; a result for each name.

    ids: tokens of the prompt, repeated when too few. context_length: longest text of the models; the prompt is
    shortened so that prompt and new tokens fit. rounds: None takes at least `FEWEST_ROUNDS` and then goes on while
    budget_s seconds are not used up. lock: held while timing. meter: counts the joules of decoding. Raises
    MeasurementError when there is nothing to time.
    """
    if not runtimes or not ids or prompt_tokens < 1 or new_tokens < 1 or (rounds is not None and rounds < 1):
        raise MeasurementError("a latency needs a model, a prompt, and at least one token and one round to time")
    if context_length is not None:
        prompt_tokens, new_tokens = fitting(context_length, prompt_tokens, new_tokens)
    if prompt_tokens < 1:
        raise MeasurementError(
            "a context of {context_length} tokens is too short to time a prompt and a new token",
            context_length=context_length,
        )
    prompt = [ids[i % len(ids)] for i in range(prompt_tokens)]
    samples = {name: Samples() for name in runtimes}
    with lock or nullcontext():
        progress(0.0, say("warming up"))
        machine = record()
        with no_collection():
            start = clock()
            for runtime in runtimes.values():
                _round(runtime, prompt, min(new_tokens, WARM_UP_TOKENS), Samples(), clock, None)
            done = 0
            while not _enough(done, rounds, clock() - start, budget_s):
                for name, runtime in runtimes.items():
                    progress(
                        _fraction(done, rounds, clock() - start, budget_s),
                        say("timing {name}, round {done}", name=name, done=done + 1),
                    )
                    _round(runtime, prompt, new_tokens, samples[name], clock, meter)
                done += 1
    progress(1.0, say("timed {done} rounds", done=done))
    return {
        name: _summary(samples[name], len(prompt), new_tokens, done, runtime, machine)
        for name, runtime in runtimes.items()
    }


class Speedup(NamedTuple):
    """How many times faster the candidate decodes, with its 95 % interval; None with one round."""

    decode_speedup: float
    decode_speedup_ci95: Interval | None


def speedup(timed: TimedPair) -> Speedup:
    """The geometric mean of the ratios of rounds.

    The rounds were timed in turn, so the interval is that of the mean log ratio of rounds that lie beside each other
    (Student's t); None with one round. What slows down the whole machine for a while slows both and cancels out.
    """
    return of_rounds(np.array(timed.base.decode_ms_by_round), np.array(timed.candidate.decode_ms_by_round))


def of_rounds(base: Floats, candidate: Floats) -> Speedup:
    """From the times of rounds [rounds] that were timed in turns."""
    ratios = np.log(base / candidate)
    return Speedup(float(np.exp(ratios.mean())), ratio_interval(interval(ratios)))


def what_it_reads(runtime: Timed) -> dict[str, int | None]:
    """bytes_per_token, weights_per_token, bytes_per_position as in `Latency`."""
    return {name: getattr(runtime, name, None) for name in READS}


def _round(
    runtime: Timed, prompt: list[int], new_tokens: int, samples: Samples, clock: Clock, meter: Meter | None
) -> None:
    runtime.reset()
    before = clock()
    # int() waits for a graphics card, so that the clock stops when the token is there and not when it was asked for
    token = int(runtime.prefill(prompt).argmax())
    samples.prefill.append(clock() - before)
    counted = meter.read() if meter else None
    for _ in range(new_tokens):
        before = clock()
        token = int(runtime.decode(token).argmax())
        samples.decode.append(clock() - before)
    if meter and counted is not None:
        samples.joules.append(meter.joules(counted, meter.read()))


def _enough(done: int, rounds: int | None, elapsed: float, budget_s: float) -> bool:
    if rounds is not None:
        return done >= rounds
    return done >= MOST_ROUNDS or (done >= FEWEST_ROUNDS and elapsed * (done + 1) / max(done, 1) > budget_s)


def _fraction(done: int, rounds: int | None, elapsed: float, budget_s: float) -> float:
    return done / rounds if rounds else min(elapsed / budget_s, 0.99)


def _summary(
    samples: Samples, prompt_tokens: int, new_tokens: int, rounds: int, runtime: Timed, machine: Environment
) -> Latency:
    decode = 1000 * np.array(samples.decode)
    by_round = np.median(decode.reshape(rounds, new_tokens), axis=1)
    speed = prompt_tokens / np.array(samples.prefill)
    return Latency(
        decode_ms=float(np.median(decode)),
        decode_ms_p5=float(np.quantile(decode, 0.05)),
        decode_ms_p95=float(np.quantile(decode, 0.95)),
        prefill_tokens_per_s=float(np.median(speed)),
        prefill_tokens_per_s_p5=float(np.quantile(speed, 0.05)),
        prefill_tokens_per_s_p95=float(np.quantile(speed, 0.95)),
        time_to_first_token_ms=1000 * float(np.median(samples.prefill)),
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        rounds=rounds,
        samples=len(samples.decode),
        decode_ms_by_round=tuple(by_round.tolist()),
        path=runtime.path,
        notes=tuple(runtime.notes),
        **what_it_reads(runtime),
        decode_joules=float(np.median(samples.joules)) / new_tokens if samples.joules else None,
        machine=machine,
    )


class no_collection:  # noqa: N801  a context manager reads like a function
    """No garbage collection inside: one in the middle of a token would be counted as that token's time."""

    def __enter__(self) -> None:
        gc.collect()
        self.was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self.was_enabled:
            gc.enable()
