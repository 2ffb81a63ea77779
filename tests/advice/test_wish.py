"""A wish is answered by what surely keeps it; the unfavourable end of an interval decides, and so does the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optlab.advice import questions
from optlab.advice.candidate import Candidate, measured, predicted
from optlab.advice.wish import Preference, Wish, answer, breaks, reasons
from optlab.evaluation import environment
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.originals import originals
from optlab.recipes import Recipe, Step
from optlab.results.measurement import MeasureSpec
from optlab.store.run import Run, Status
from tests.pages import samples

PRUNED = Recipe.of(Step("prune", "wanda", {"sparsity": 0.5}))
QUANTIZED = Recipe.of(Step("quantize", "rtn", {"bits": 4}))


def candidate(title: str, size: int, ratio: float | None, source: Any = "measured", **more: Any) -> Candidate:
    low, high = (None, None) if ratio is None else (ratio * 0.98, ratio * 1.02)
    return Candidate("nano", title, QUANTIZED, source, size, ratio, low, high, **more)


ORIGINAL = Candidate("nano", "original", Recipe(), "measured", 1000, 1.0, 1.0, 1.0, 10.0, 3000)
SMALL = candidate("small", 200, 1.5, decode_ms=4.0, memory_bytes=2000, speedup=2.3, speedup_interval=(2.1, 2.5))
FAST = candidate("fast", 400, 1.1, decode_ms=2.0, memory_bytes=2100)
CLOSE = candidate("close", 600, 1.01, decode_ms=8.0, memory_bytes=2500)
EVERYONE = [ORIGINAL, SMALL, FAST, CLOSE]


@pytest.mark.parametrize(("prefer", "best"), [("small", SMALL), ("fast", FAST), ("close", ORIGINAL)])
def test_without_limits_the_preference_decides(prefer: Preference, best: Candidate) -> None:
    assert answer(Wish(prefer=prefer), EVERYONE).best == best


def test_the_worse_end_of_the_interval_has_to_keep_the_limit() -> None:
    assert answer(Wish(worse_percent=11), EVERYONE).best == CLOSE  # FAST may be 12.2% worse
    assert answer(Wish(worse_percent=13), EVERYONE).best == FAST


def test_memory_is_what_a_process_took_where_that_was_measured() -> None:
    assert breaks(Wish(memory_bytes=1000), SMALL) == ("memory",)
    assert breaks(Wish(memory_bytes=1000), replace(SMALL, memory_bytes=None)) == ()


def test_a_speed_that_is_not_known_is_not_promised() -> None:
    assert breaks(Wish(tokens_per_s=1), replace(SMALL, decode_ms=None)) == ("speed",)
    assert breaks(Wish(tokens_per_s=250), SMALL) == ()
    assert breaks(Wish(tokens_per_s=251), SMALL) == ("speed",)


def test_a_quality_that_is_not_known_breaks_every_tolerance() -> None:
    assert breaks(Wish(worse_percent=10_000), candidate("blind", 10, None)) == ("quality",)


def test_a_prediction_is_told_only_where_it_beats_what_was_measured() -> None:
    better, no_better = candidate("a", 100, 1.3, "predicted"), candidate("b", 300, 1.3, "predicted")
    found = answer(Wish(), [*EVERYONE, better, no_better])
    assert (found.best, found.better) == (SMALL, better)
    assert answer(Wish(), [*EVERYONE, no_better]).better is None
    assert answer(Wish(), [no_better]).better == no_better


def test_where_nothing_fits_each_limit_is_counted_and_the_nearest_is_named() -> None:
    found = answer(Wish(memory_bytes=2050, tokens_per_s=400, worse_percent=5), EVERYONE)
    assert found.best is found.better is None
    assert found.missed == {"memory": 3, "speed": 3, "quality": 2}
    assert (found.nearest, found.broken) == (SMALL, ("speed", "quality"))


def test_nothing_known_is_no_answer() -> None:
    found = answer(Wish(), [])
    assert (found.best, found.better, found.nearest) == (None, None, None)


def test_reasons_hold_the_figures_and_the_limits() -> None:
    said = "\n".join(reasons(Wish(tokens_per_s=100, worse_percent=60), SMALL, ORIGINAL))
    for part in ("5.0 x smaller", "50.0% worse", "95% interval", "your limit is 60%", "250 tokens per second",
                 "2.3 x faster", "your target is 100"):  # fmt: skip
        assert part in said
    guessed = "\n".join(reasons(Wish(memory_bytes=10**6), candidate("a", 100, 1.3, "predicted"), ORIGINAL))
    assert "90% band" in guessed
    assert "not measured on this machine" in guessed


def run_of(bits: int, ratio: float, size: int, here: bool, steps: bool = True) -> MeasuredRun:
    recipe = samples.quantized(bits) if steps else Recipe()
    result = samples.measurement(ratio, size, 1.0, recipe)
    if here:
        result = result.model_copy(update={"environment": environment.record()})
    spec = MeasureSpec(model="nano", recipe=recipe)
    run = Run(id=bits, key="k", kind="measure", status=Status.DONE, spec_json=spec.to_json(), title="t", created=0.0,
              result_json=result.to_json())  # fmt: skip
    return MeasuredRun(run, spec, result.headline)


def test_times_of_another_machine_are_not_this_machines() -> None:
    original, elsewhere = measured([run_of(4, 1.1, 100, here=False)])
    assert elsewhere.decode_ms is elsewhere.memory_bytes is original.decode_ms is None
    assert elsewhere.size_bytes == 100
    assert elsewhere.high == pytest.approx(1.111)
    original, here = measured([run_of(4, 1.1, 100, here=True)])
    assert (original.tokens_per_s, here.tokens_per_s) == (500, 1000)
    assert here.agreement == 0.91


def test_the_original_is_a_candidate_once() -> None:
    found = measured([run_of(4, 1.1, 100, True), run_of(8, 1.0, 200, True), run_of(2, 1.0, 200, True, steps=False)])
    assert [one.is_original for one in found] == [True, False, False]


def test_points_of_a_frontier_are_candidates_with_their_band() -> None:
    from optlab.prediction.frontier import Frontier
    from optlab.prediction.predictor import Predictor
    from tests.prediction import states

    points = Frontier(Predictor(states.with_anchors(states.state(), 1.3))).points(6)
    found = predicted(points, "nano")
    assert found
    assert {one.source for one in found} == {"predicted"}
    for one in found:
        assert one.ratio is not None and one.high is not None and one.low is not None
        assert one.low <= one.ratio <= one.high


def test_the_smallest_within_a_tolerance_and_a_technique_by_itself() -> None:
    assert questions.within(EVERYONE, 5, "measured") == CLOSE
    assert questions.within(EVERYONE, 5, "predicted") is None
    pruned = replace(SMALL, recipe=PRUNED, ratio=9.0)
    worse = replace(pruned, size_bytes=1, ratio=20.0)
    both = replace(SMALL, recipe=Recipe.of(*PRUNED.steps, *QUANTIZED.steps))
    found = questions.techniques([*EVERYONE, pruned, worse, both])
    assert found == {"quantize": SMALL, "prune": pruned}


def test_a_model_is_told_by_its_newest_measurement() -> None:
    (found,) = originals([run_of(4, 1.1, 100, True), run_of(8, 1.0, 200, True)])
    assert (found.run, found.bits_per_byte, found.decode_ms) == (4, 1.9, 2.0)
    assert {name: after for name, _, after in questions.resources(run_of(4, 1.1, 100, False).result)} == {"size": 100}
