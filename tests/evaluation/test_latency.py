"""How runtimes are timed: in turn, after a warm-up, with a clock that the tests turn by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from optlab.errors import Cancelled, MeasurementError
from optlab.evaluation.latency import BUDGET_S, FEWEST_ROUNDS, MOST_ROUNDS, WARM_UP_TOKENS, latency, speedup
from optlab.results.latency import TimedPair


class Clock:
    """Time that passes only when a runtime says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeRuntime:
    """Takes a second for every `speed` prompt tokens, and the given milliseconds for one new token after another."""

    def __init__(
        self, name: str, clock: Clock, diary: list[str], decode_ms: list[float], speed: float = 1000.0
    ) -> None:
        self.name, self.clock, self.diary, self.decode_ms, self.speed = name, clock, diary, decode_ms, speed
        self.path, self.notes = f"path of {name}", ["a note"]
        self.prompts: list[list[int]] = []
        self.given: list[int] = []

    def reset(self) -> None:
        self.diary.append(self.name)
        self.position = 0

    def prefill(self, ids: list[int]) -> Tensor:
        self.prompts.append(ids)
        self.clock.now += len(ids) / self.speed
        return torch.tensor([0.0, 1.0, 0.0])

    def decode(self, token: int) -> Tensor:
        self.given.append(token)
        self.clock.now += self.decode_ms[self.position % len(self.decode_ms)] / 1000
        self.position += 1
        return torch.tensor([0.0, 0.0, 1.0])


def two(decode_ms: list[float] | None = None, speed: float = 1000.0) -> tuple[Clock, list[str], dict[str, FakeRuntime]]:
    clock, diary = Clock(), []
    runtimes = {name: FakeRuntime(name, clock, diary, decode_ms or [10.0], speed) for name in ("base", "candidate")}
    return clock, diary, runtimes


def test_models_are_timed_in_turn_after_a_warm_up() -> None:
    clock, diary, runtimes = two()
    latency(runtimes, [1, 2], prompt_tokens=10, new_tokens=8, rounds=3, clock=clock)
    assert diary == ["base", "candidate"] * (1 + 3)
    assert len(runtimes["base"].given) == WARM_UP_TOKENS + 3 * 8


def test_figures_are_medians_and_percentiles_of_what_the_clock_showed() -> None:
    times = [float(i) for i in range(1, 21)]
    clock, _, runtimes = two(times, speed=2000)
    found = latency(runtimes, [1], prompt_tokens=100, new_tokens=20, rounds=4, clock=clock)["base"]
    assert found.decode_ms == pytest.approx(10.5)
    assert (found.decode_ms_p5, found.decode_ms_p95) == pytest.approx(
        (np.quantile(times * 4, 0.05), np.quantile(times * 4, 0.95))
    )
    assert found.prefill_tokens_per_s == pytest.approx(2000)
    assert found.time_to_first_token_ms == pytest.approx(50)
    assert (found.samples, found.rounds, found.prompt_tokens, found.new_tokens) == (80, 4, 100, 20)
    assert (found.path, found.notes) == ("path of base", ("a note",))


def test_decoding_is_greedy_from_the_prompt_on() -> None:
    clock, _, runtimes = two()
    latency(runtimes, [1], prompt_tokens=4, new_tokens=3, rounds=1, clock=clock)
    assert runtimes["base"].given[-3:] == [1, 2, 2]


def test_a_short_prompt_is_repeated_and_a_short_context_shortens_it() -> None:
    clock, _, runtimes = two()
    found = latency(runtimes, [7, 8, 9], prompt_tokens=512, new_tokens=32, rounds=1, context_length=64, clock=clock)
    assert found["base"].prompt_tokens + found["base"].new_tokens == 64
    assert runtimes["base"].prompts[-1] == [7, 8, 9] * 16
    with pytest.raises(MeasurementError, match="too short to time"):
        latency(runtimes, [7], context_length=1, clock=clock)


@pytest.mark.parametrize(
    ("decode_ms", "speed", "rounds"),
    [(1000.0, 1.0, FEWEST_ROUNDS), (0.001, 1e9, MOST_ROUNDS)],
)
def test_slow_models_get_few_rounds_and_fast_ones_not_endless(decode_ms: float, speed: float, rounds: int) -> None:
    clock, _, runtimes = two([decode_ms], speed)
    assert latency(runtimes, [1], clock=clock)["base"].rounds == rounds


def test_the_budget_holds_between_these() -> None:
    clock, _, runtimes = two([5.0], speed=2000)  # 0.83 s a round for both
    found = latency(runtimes, [1], clock=clock)["base"]
    assert FEWEST_ROUNDS < found.rounds < MOST_ROUNDS
    assert clock.now < BUDGET_S


def test_the_lock_is_held_while_timing_and_released_after_a_cancel() -> None:
    clock, diary, runtimes = two()

    @contextmanager
    def lock() -> Iterator[None]:
        diary.append("locked")
        try:
            yield
        finally:
            diary.append("unlocked")

    latency(runtimes, [1], rounds=1, clock=clock, lock=lock())
    assert diary == ["locked", "base", "candidate", "base", "candidate", "unlocked"]
    diary.clear()

    def stop(fraction: float, message: str, partial: dict | None = None) -> None:
        if "round 2" in message:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        latency(runtimes, [1], rounds=5, clock=clock, lock=lock(), progress=stop)
    assert diary[-1] == "unlocked"


def test_progress_rises_to_one() -> None:
    for rounds in (None, 3):
        seen: list[float] = []
        clock, _, runtimes = two()
        latency(runtimes, [1], rounds=rounds, clock=clock, progress=lambda f, m, p=None: seen.append(f))  # noqa: B023
        assert seen == sorted(seen)
        assert seen[-1] == 1.0


def test_nothing_to_time_is_an_error() -> None:
    clock, _, runtimes = two()
    for arguments in ({"runtimes": {}, "ids": [1]}, {"runtimes": runtimes, "ids": []}):
        with pytest.raises(MeasurementError, match="needs a model, a prompt"):
            latency(**arguments, clock=clock)
    with pytest.raises(MeasurementError):
        latency(runtimes, [1], new_tokens=0, clock=clock)


def test_the_machine_is_on_record() -> None:
    clock, _, runtimes = two()
    machine = latency(runtimes, [1], rounds=1, clock=clock)["base"].machine
    assert machine.threads == torch.get_num_threads()
    assert machine.processor and machine.cores and machine.versions["torch"]


class SlowingRuntime(FakeRuntime):
    """On a machine that gets slower with every round, for both models."""

    def decode(self, token: int) -> Tensor:
        self.clock.now += self.decode_ms[0] / 1000 * ((len(self.diary) + 1) // 2)
        return torch.tensor([0.0, 0.0, 1.0])


def test_a_machine_that_slows_down_cancels_out_of_the_speedup() -> None:
    clock, diary = Clock(), []
    both = {name: SlowingRuntime(name, clock, diary, [ms]) for name, ms in (("base", 10.0), ("candidate", 4.0))}
    found = latency(both, [1], prompt_tokens=4, new_tokens=8, rounds=3, clock=clock)
    assert found["candidate"].decode_ms_by_round == pytest.approx([8.0, 12.0, 16.0])
    gain = speedup(TimedPair(**found))
    assert gain.decode_speedup == pytest.approx(2.5)
    assert gain.decode_speedup_ci95 == pytest.approx([2.5, 2.5])


def test_the_interval_of_a_speedup_is_that_of_the_rounds() -> None:
    clock, _, runtimes = two()
    found = latency(runtimes, [1], rounds=3, clock=clock)["base"]

    def timed(base: list[float], candidate: list[float]) -> TimedPair:
        sides = {"base": base, "candidate": candidate}
        return TimedPair(**{name: found.model_copy(update={"decode_ms_by_round": ms}) for name, ms in sides.items()})

    gain = speedup(timed([10.0, 10.0, 10.0], [5.0, 4.0, 6.0]))
    logs = [math.log(2.0), math.log(2.5), math.log(10 / 6)]
    mean = sum(logs) / 3
    half = 4.302652729749464 * math.sqrt(sum((x - mean) ** 2 for x in logs) / 2 / 3)  # t at 97.5 %, two degrees
    assert gain.decode_speedup_ci95 == pytest.approx([math.exp(mean - half), math.exp(mean + half)])
    assert speedup(timed([1.0], [1.0])) == (1.0, None)
