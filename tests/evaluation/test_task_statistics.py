"""Statistics of tasks against closed forms and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from optlab.evaluation.task_statistics import (
    Answer,
    calibration,
    compared,
    detectable,
    reliability,
    wilson,
)
from optlab.evaluation.task_tests import holm
from optlab.evaluation.tasks import Question

ASKED = [Question("", "?", ("a", "b", "c"), right) for right in (0, 1, 2, 0)]


def answers(*chosen: int, sure: float = 2.0) -> list[Answer]:
    scores = [np.where(np.arange(3) == one, sure, 0.0) for one in chosen]
    return [Answer(one, one - 5.0, 1) for one in scores]


def test_flips_are_counted_in_both_directions_and_among_wrong_answers() -> None:
    found = compared("accuracy", ASKED, answers(0, 0, 0, 1), answers(0, 1, 1, 2))
    assert (found.base.score, found.candidate.score) == (0.25, 0.5)
    assert (found.delta.lost, found.delta.won, found.delta.moved) == (0, 1, 2)
    assert [flip.right for flip in found.flips] == [1, 2, 0]
    assert found.chance == pytest.approx(1 / 3)
    assert not found.told  # one of four is no evidence


def test_the_difference_of_log_likelihood_and_margin_is_paired() -> None:
    found = compared("accuracy", ASKED, answers(0, 1, 2, 0), answers(0, 1, 2, 0, sure=3.0))
    assert found.delta.log_likelihood is not None and found.delta.margin is not None
    assert found.delta.log_likelihood.mean == found.delta.margin.mean == pytest.approx(1.0)
    assert found.delta.log_likelihood.ci95 == pytest.approx((1.0, 1.0))


def test_the_interval_of_a_mean_is_scipys() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(-9, 1, 40), rng.normal(-9.5, 1, 40)
    asked = [Question("", "x", ("ref",), 0)] * 40
    found = compared("nats_per_token", asked, *([Answer(np.zeros(1), np.array([one]), 1) for one in side]
                                                for side in (before, after)))  # fmt: skip
    expected = stats.ttest_rel(-after, -before).confidence_interval(0.95)
    assert found.delta.ci95 == pytest.approx(tuple(expected))
    assert found.base.score == pytest.approx(-before.mean())
    assert found.chance is None and found.flips == () and found.told


def test_a_word_error_rate_weighs_sentences_by_their_words() -> None:
    asked = [Question("", "x", ("said", "heard"), 0, value=(0.0, errors / words), weight=words)
             for errors, words in ((1, 4), (3, 6))]  # fmt: skip
    found = compared("word_error_rate", asked, answers(0, 0), answers(1, 1))
    assert (found.base.score, found.candidate.score) == (0.0, pytest.approx(4 / 10))


def test_slices_are_the_whole_of_their_questions() -> None:
    asked = [Question("", "?", ("a", "b", "c"), 0, group=group) for group in ("en", "en", "fr", "fr")]
    found = compared("accuracy", asked, answers(0, 0, 0, 1), answers(0, 1, 1, 1))
    english, french = found.slices
    assert (english.group, english.base, english.candidate) == ("en", 1.0, 0.5)
    assert (french.base, french.candidate, french.difference.mean) == (0.5, 0.0, -0.5)


@pytest.mark.parametrize(("right", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634),
                                                          (10, 10, 0.7225, 1.0)])  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert np.allclose(wilson(right, of), (low, high), atol=1e-4)  # values of Agresti and Coull 1998's formula
    assert wilson(right, of) == pytest.approx(tuple(stats.binomtest(right, of).proportion_ci(method="wilson")))


def test_a_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, 200)
    assert detectable(np.zeros(200)) is None
    size = detectable(noise)
    assert size is not None
    found = [stats.ttest_1samp(rng.normal(size, noise.std(ddof=1), 200), 0).pvalue < 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_who_is_as_sure_as_right_is_calibrated() -> None:
    bins = reliability([0.55] * 20 + [0.95] * 20, [True] * 11 + [False] * 9 + [True] * 19 + [False])
    assert np.array(bins) == pytest.approx(np.array([(0.55, 0.55, 20), (0.95, 0.95, 20)]))
    certain = [Answer(np.array([50.0, 0.0]), np.zeros(2), 1)] * 4
    found = calibration([Question("", "?", ("a", "b"), right) for right in (0, 0, 1, 1)], certain)
    assert (found.error, found.brier, found.entropy) == pytest.approx((0.5, 1.0, 0.0))
    unsure = [Answer(np.zeros(2), np.zeros(2), 1)]
    assert calibration([Question("", "?", ("a", "b"), 0)], unsure).entropy == pytest.approx(np.log(2))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_step_down_rejects(p: list[float]) -> None:
    level, order = 0.05, sorted(range(len(p)), key=lambda one: p[one])
    rejected = set()
    for rank, place in enumerate(order):  # the definition
        if p[place] > level / (len(p) - rank):
            break
        rejected.add(place)
    assert {place for place, one in enumerate(holm(p)) if one <= level * (1 + 1e-12)} == rejected or any(
        abs(p[place] * (len(p) - rank) - level) < 1e-9 for rank, place in enumerate(order)
    )
