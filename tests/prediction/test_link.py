"""The link learns what anchors say, doubts what it has not seen, and its band holds what it claims."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from optlab.prediction.link import OTHER, RATIO_MEAN, SAME, SETS, Features, Link, edge, read_by
from optlab.prediction.state import Floats

FAMILIES, KINDS = 2, 4


def features(total: Floats, seed: int = 0) -> Features:
    """Recipes of one family each, spread over four kinds of layers."""
    rng = np.random.default_rng(seed)
    families = np.eye(FAMILIES)[rng.integers(0, FAMILIES, len(total))]
    kinds, nothing = rng.dirichlet(np.ones(KINDS), len(total)), np.zeros(len(total))
    return Features(total, families, kinds, nothing, np.zeros((len(total), SETS)), nothing, nothing)


def link(total: Floats, kl: Floats, nll: Floats, tokens: float = 1e9, seed: int = 0) -> Link:
    return Link(features(total, seed), kl, nll, np.full(len(total), tokens))


def test_without_anchors_a_model_is_expected_to_be_like_those_before_it() -> None:
    nothing = np.zeros(0)
    out = link(nothing, nothing, nothing)(features(np.array([0.1])))
    assert out.kl[0] == 0.1
    assert out.nll[0] == pytest.approx(0.1 * (1 + RATIO_MEAN))
    assert out.low[0] < 0.05 < 0.11 < out.high[0] < 0.25


def test_what_anchors_lost_per_damage_is_what_is_predicted() -> None:
    total = np.geomspace(0.01, 2, 20)
    out = link(total, 1.6 * total, 1.2 * total)(features(np.geomspace(0.02, 1.5, 9), seed=1))
    wanted = np.geomspace(0.02, 1.5, 9)
    np.testing.assert_allclose(out.kl, 1.6 * wanted, rtol=0.1)
    np.testing.assert_allclose(out.nll, 1.2 * wanted, rtol=0.1)


def test_the_band_narrows_as_anchors_arrive() -> None:
    total = np.geomspace(0.01, 2, 24)
    new = features(np.array([0.3]), seed=1)
    width = []
    for count in (0, 8, 24):
        out = link(total[:count], total[:count], total[:count])(new)
        width.append(float(out.high[0] - out.low[0]))
    assert width[0] > width[1] > width[2] > 0


def test_a_curved_law_is_followed_between_its_anchors() -> None:
    total = np.geomspace(0.02, 3, 24)
    law = lambda d: d * (1 + d)  # noqa: E731
    out = link(total, law(total), law(total))(features(np.array([0.1, 0.5, 1.7]), seed=1))
    np.testing.assert_allclose(out.kl, law(np.array([0.1, 0.5, 1.7])), rtol=0.08)


def test_nine_of_ten_new_recipes_lie_inside_the_band() -> None:
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        total = np.exp(rng.uniform(np.log(0.05), np.log(2), 44))
        lost = total * np.exp(rng.normal(0, 0.15, 44))
        told = features(total, seed)
        out = Link(told[np.arange(44) < 24], lost[:24], lost[:24], np.full(24, 1e9))(told[np.arange(44) >= 24], 10**9)
        inside.append((lost[24:] >= out.low) & (lost[24:] <= out.high))
    assert 0.85 <= np.mean(inside) <= 0.97


def test_a_measurement_on_another_text_moves_the_prediction_there() -> None:
    total = np.geomspace(0.05, 1, 16)
    base = features(total)
    own = replace(base[np.arange(16) < 4], words=np.tile(read_by(None, OTHER), (4, 1)))
    both = Features(*(np.concatenate([getattr(base, part.name), getattr(own, part.name)]) for part in fields(Features)))
    lost = np.concatenate([total, 2 * total[:4]])
    found = Link(both, lost, lost, np.full(20, 1e9))
    there = found(replace(base[np.arange(16) == 5], words=read_by(None, OTHER)[None]))
    assert 1.5 * total[5] < there.nll[0] < 2.2 * total[5]


def test_words_that_no_anchor_read_widen_the_band_and_another_text_more_so() -> None:
    total = np.geomspace(0.01, 2, 24)
    known = link(total, total, total * np.exp(np.random.default_rng(0).normal(0, 0.1, 24)))
    width = []
    for words in (0.0, SAME, OTHER):
        new = features(np.array([0.3]), seed=1)
        out = known(replace(new, words=read_by(None, words)[None]))
        width.append(float(out.high[0] - out.low[0]))
    assert width[0] < width[1] < width[2]


def test_anchors_that_read_all_words_of_a_measurement_leave_no_doubt_about_words() -> None:
    assert not read_by(16, among=16).any()
    assert 0 < read_by(8, among=16)[0] < read_by(4, among=16)[0] < read_by(4)[0]


def test_the_same_damage_in_few_weights_or_in_many_is_told_apart() -> None:
    total = np.geomspace(0.02, 1, 24)
    base, strength = features(total), np.random.default_rng(0).normal(0, 1, 24)
    lost = total * np.exp(0.1 * strength)
    found = Link(replace(base, error=strength), lost, lost, np.full(24, 1e9))
    out = found(replace(features(np.array([0.3, 0.3]), seed=1), error=np.array([-1.0, 1.0])))
    assert out.kl[1] / out.kl[0] == pytest.approx(np.exp(0.2), rel=0.2 * 0.35)


def test_what_the_words_alone_do_to_a_loss_is_taken_off_anchors_and_added_to_predictions() -> None:
    total = np.geomspace(0.02, 0.2, 20)
    lean = np.random.default_rng(0).normal(0, 0.2, 20) * total
    base = features(total)
    found = Link(replace(base, slope=lean), total, total + lean, np.full(20, 1e9))
    new = features(np.array([0.05, 0.05, 0.05]), seed=1)
    out = found(replace(new, slope=np.array([-0.02, 0.0, 0.02])))
    np.testing.assert_allclose(out.nll, [0.03, 0.05, 0.07], rtol=0.06)
    unaware = Link(base, total, total + lean, np.full(20, 1e9))(new)
    assert (out.high - out.low)[1] < 0.8 * (unaware.high - unaware.low)[1]


def test_a_slope_counts_less_the_further_a_recipe_goes() -> None:
    total = np.geomspace(0.01, 8, 24)
    found = link(total, total, total)
    near, far = (found(replace(features(np.array([size])), slope=np.array([0.1 * size]))) for size in (0.01, 8.0))
    assert near.nll[0] / near.kl[0] > far.nll[0] / far.kl[0] > 1.0


@settings(max_examples=50, deadline=None)
@given(some.lists(some.floats(-5, 5), min_size=400, max_size=600))
def test_the_edge_of_a_band_holds_nine_in_ten_of_many_misses(misses: list[float]) -> None:
    assert np.mean(np.abs(misses) <= edge(np.array(misses))) >= 0.88


def test_the_edge_goes_from_that_of_a_normal_distribution_to_that_of_the_misses() -> None:
    assert 1.645 <= edge(np.zeros(0)) < 2.0
    wide = 3 * np.random.default_rng(0).normal(size=2000)
    edges = [edge(wide[:count]) for count in (0, 10, 40, 2000)]
    assert edges == sorted(edges)
    assert abs(edges[-1] - 3 * 1.645) < 0.3


def test_one_odd_measurement_does_not_open_every_band() -> None:
    usual = np.random.default_rng(1).normal(size=15)
    assert edge(np.append(usual, 1000.0)) < 1.5 * edge(usual)


def test_a_loss_near_nothing_is_doubted_by_a_share_of_its_divergence() -> None:
    """Where a loss may be nothing, no factor around it can be a band."""
    total = np.geomspace(0.05, 1, 16)
    out = link(total, total, 0.15 * total)(features(np.array([0.3]), seed=1))
    assert out.low[0] < 0.15 * 0.3 * 0.9
    assert out.high[0] - out.nll[0] > 0.1 * out.nll[0]
    assert out.high[0] - out.nll[0] > 0.03 * out.kl[0]


def searched(total: Floats, share: float) -> Features:
    return replace(features(total), searched=np.full(len(total), share))


def test_searched_recipes_are_doubted_until_some_were_measured_and_teach_no_others() -> None:
    total = np.geomspace(0.05, 1, 12)
    plain, both = features(total), [features(total), searched(np.geomspace(0.1, 0.8, 4), 1.0)]
    joined = Features(*(np.concatenate([getattr(one, f.name) for one in both]) for f in fields(Features)))
    lost = np.concatenate([total, 1.5 * both[1].total])
    without = Link(plain, total, total, np.full(12, 1e9))
    with_them = Link(joined, lost, lost, np.full(16, 1e9))
    new, usual = searched(total[5:6], 1.0), features(total)[np.arange(12) == 5]
    before, after = without(new), with_them(new)
    assert before.high[0] - before.low[0] > 1.5 * (without(usual).high[0] - without(usual).low[0])
    assert after.nll[0] > 1.3 * total[5] and after.high[0] / after.low[0] < before.high[0] / before.low[0]
    assert abs(with_them(usual).nll[0] / total[5] - 1) < 0.1
