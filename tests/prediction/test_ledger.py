"""The record tells an honest predictor from one that is wrong, and from one that is only too sure of itself."""

import math

import numpy as np
import pytest

from optlab.prediction.ledger import Entry, Ledger, entry, ledger
from optlab.recipes import Recipe
from optlab.results.prediction import Predicted, PredictedDelta

NORMAL_90 = 1.645
RECIPE = Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": 3}}]})


def predicted(nll: float, low: float | None, high: float | None, inside: bool = True) -> Predicted:
    delta = PredictedDelta(nll=nll, nll_band90=(low, high), ppl_ratio=math.exp(nll)) if inside else None
    return Predicted(model="nano", recipe=RECIPE, inside_probed_range=inside, delta=delta)


def record(bias: float, claimed_spread: float, true_spread: float = 0.1, count: int = 40, seed: int = 0) -> Ledger:
    """Of a predictor that is off by the factor `bias` and by a normal error of `true_spread` on a log scale, and claims
    `claimed_spread`."""
    rng = np.random.default_rng(seed)
    entries = []
    for truth in np.exp(rng.uniform(np.log(0.02), np.log(3), count)):
        guess = bias * truth * math.exp(rng.normal(0, true_spread))
        reach = math.exp(NORMAL_90 * claimed_spread)
        entries.append(entry(RECIPE, predicted(guess, guess / reach, guess * reach), truth))
    return ledger(entries)


def test_an_honest_predictor_keeps_its_word() -> None:
    found = [record(1.0, 0.1, seed=seed) for seed in range(20)]
    assert 0.86 < np.mean([one.coverage for one in found]) < 0.94
    assert sum(one.trustworthy for one in found) >= 19
    assert np.mean([one.median_error for one in found]) == pytest.approx(0.1 * 0.6745, rel=0.15)


@pytest.mark.parametrize("bias", [0.5, 1.5, 3.0])
def test_a_wrong_predictor_has_a_bad_record(bias: float) -> None:
    found = record(bias, 0.1)
    assert found.coverage is not None
    assert found.coverage < 0.2
    assert not found.trustworthy
    assert found.median_error == pytest.approx(abs(bias - 1), rel=0.2)


def test_a_predictor_that_is_too_sure_has_a_bad_record_although_it_aims_well() -> None:
    found = record(1.0, 0.02)
    assert not found.trustworthy
    assert found.median_error is not None
    assert found.median_error < 0.1


def test_a_few_misses_do_not_condemn_a_short_record() -> None:
    hit, miss = Entry(RECIPE, 0.1, (0.0, 0.2), 0.1), Entry(RECIPE, 0.1, (0.0, 0.2), 0.5)
    assert Ledger((hit, miss)).trustworthy
    assert Ledger((miss,)).trustworthy
    assert not Ledger((miss, miss, miss)).trustworthy


def test_a_prediction_that_said_measure_claims_nothing() -> None:
    outside = entry(RECIPE, predicted(0.1, 0.0, 0.2, inside=False), 5.0)
    assert ledger([outside, entry(RECIPE, None, 5.0)]).measured == 0


def test_that_the_original_equals_itself_is_no_success() -> None:
    assert entry(Recipe(), predicted(0.0, 0.0, 0.0), 0.0) is None


def test_what_could_not_be_measured_does_not_count() -> None:
    assert entry(RECIPE, predicted(1.0, 0.0, 2.0), math.nan) is None


def test_an_open_band_holds_whatever_lies_beyond() -> None:
    found = entry(RECIPE, predicted(4.0, 3.0, None), 40.0)
    assert found is not None
    assert found.inside
    assert found.band == (3.0, math.inf)


def test_relative_errors_leave_out_what_is_nearly_lossless() -> None:
    entries = (Entry(RECIPE, 0.001, (-1, 1), -0.0005), Entry(RECIPE, 0.11, (-1, 1), 0.1))
    assert Ledger(entries).median_error == pytest.approx(0.1)
    assert Ledger(entries[:1]).median_error is None


def test_the_line_for_people_is_about_the_newest_entries() -> None:
    hit, miss = Entry(RECIPE, 0.107, (0.0, 0.2), 0.1), Entry(RECIPE, 0.1, (0.0, 0.2), 0.5)
    line = Ledger((hit,) * 28 + (miss,) * 10).in_words(30)
    assert line == "28 of the last 30 measurements lay inside the 90% band, median error 7%"
    assert Ledger(()).in_words() == "no prediction checked yet"
    assert Ledger((miss,)).document().to_dict() == {"measured": 1, "inside": 0, "median_error": pytest.approx(0.8)}
