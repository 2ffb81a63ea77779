"""What a measurement is expected to take: before the first one in proportion, afterwards as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optlab.forecast.choice import VARIABLE
from optlab.forecast.rates import Rates
from optlab.jobs import measure_plan
from optlab.jobs.durations import Durations
from optlab.jobs.measure_plan import COMPRESS, LATENCY, LAYERS, MEMORY, QUALITY, expectation, plan, trains
from optlab.jobs.resolution import settled
from optlab.models.describe import Description, LayerInfo
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from tests.described import llama

ROUNDED = Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": 4, "group_size": 64}}]})
CALIBRATED = Recipe.from_dict({"steps": [{"quantize": {"method": "gptq", "bits": 4, "group_size": 64}}]})
TRAINED = Recipe.from_dict({"steps": [{"distill": {"steps": 200}}]})
PROTOCOL = settled("smollm2-135m", Protocol(dtype="bfloat16"))


def described(parameters: int, objective: str = "causal") -> Description:
    layer = LayerInfo("model.layers.0.mlp.up_proj", "mlp.up", (64, 64), 4096, 8192, 0)
    return Description(
        model="m", title="m", family="llama", objective=objective, fingerprint=f"{parameters:064x}"[::-1],
        parameters=parameters, size_bytes=2 * parameters, dtype="BF16", vocabulary=1000, context_length=2048, blocks=1,
        tied=True, checkpoint_note=None, default_text="bbc-news", layers=[layer],
    )  # fmt: skip


SMALL, LARGE = described(134_500_000), described(1_100_000_000)


def test_more_work_is_expected_to_take_longer() -> None:
    known = Durations()
    rounded, calibrated, trained = (
        expectation(recipe, PROTOCOL, SMALL, known) for recipe in (ROUNDED, CALIBRATED, TRAINED)
    )
    assert rounded.seconds < calibrated.seconds < trained.seconds
    assert expectation(ROUNDED, PROTOCOL, LARGE, known).seconds > 2 * rounded.seconds
    longer = PROTOCOL.model_copy(update={"tokens": 10 * PROTOCOL.tokens})
    assert expectation(ROUNDED, longer, SMALL, known).seconds > 2 * rounded.seconds


def test_what_a_measurement_took_is_what_the_next_one_is_expected_to_take() -> None:
    parts = plan(ROUNDED, PROTOCOL, SMALL, Durations())
    known = Durations()
    for number, work in enumerate(parts.values()):
        known = known.learned(work, 10.0 + number)
    other = Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": 5, "group_size": 64}}]})
    again = plan(other, PROTOCOL, SMALL, known)
    for name in set(parts) - {QUALITY, MEMORY, LAYERS}:
        assert known.expected(again[name]) == pytest.approx(10.0 + list(parts).index(name))
    for name in (QUALITY, MEMORY, LAYERS):  # of these the first recipe has done a part for all that follow
        assert again[name].key != parts[name].key
        assert again[name].amount < parts[name].amount


def test_a_training_is_named_by_its_steps_and_costs_memory() -> None:
    assert [trains(recipe) for recipe in (ROUNDED, CALIBRATED, TRAINED)] == [False, False, True]
    trained, rounded = (expectation(recipe, PROTOCOL, SMALL, Durations()) for recipe in (TRAINED, ROUNDED))
    assert trained.memory_bytes > rounded.memory_bytes > 2 * 4 * SMALL.parameters


def test_this_machines_own_rate_decides_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates(flops=1e12, read=1e9, write=1e9, disturbed=False, made=0.0)
    usual = expectation(ROUNDED, PROTOCOL, LARGE, Durations()).phases
    monkeypatch.setattr(measure_plan, "known_rates", lambda: rates)
    ten_times = expectation(ROUNDED, PROTOCOL, LARGE, Durations()).phases
    assert ten_times[COMPRESS] == pytest.approx(usual[COMPRESS] / 10)


def test_a_pass_by_blocks_has_its_own_phases_and_says_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "always")
    found = expectation(ROUNDED, PROTOCOL, llama(1024, 4096, 16), Durations())
    assert found.way == "blocks" and set(found.phases) == {COMPRESS, QUALITY}
    assert found.seconds == sum(found.phases.values()) > 0 and found.footprint.disk > 0


def test_what_is_not_measured_is_not_expected() -> None:
    assert LATENCY not in plan(ROUNDED, PROTOCOL.model_copy(update={"latency": False}), SMALL, Durations())
    assert LATENCY not in plan(ROUNDED, PROTOCOL, replace(SMALL, objective="masked"), Durations())


def test_a_training_with_a_time_limit_is_not_expected_to_take_longer() -> None:
    def seconds(*limits: int | None) -> float:
        steps = [Step("distill", "forward_kl", {"steps": 100_000, "seconds": limit}) for limit in limits]
        return expectation(Recipe(tuple(steps)), PROTOCOL, SMALL, Durations()).seconds

    assert 60 < seconds(60) < 0.1 * seconds(None)  # the model, its text and its calibration are read besides
    assert seconds(90) == pytest.approx(seconds(60) + 30)
    assert seconds(60, None) > 10 * seconds(60)
