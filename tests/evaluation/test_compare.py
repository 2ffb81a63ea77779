"""Two models on the same words: divergence, agreement, pairing, the running figures, and the memory of the original."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from optlab.errors import Cancelled, MeasurementError
from optlab.evaluation import scoring
from optlab.evaluation.compare import compare
from optlab.evaluation.paired import interval
from optlab.evaluation.perplexity import perplexity
from optlab.evaluation.states import StateCache, identity, key_of
from optlab.results.divergence import Estimate
from optlab.texts.passage import Passage
from tests.evaluation.fakes import TableModel, random_ids, random_model
from tests.tiny import tiny_model_folder


@pytest.fixture
def one_window_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_tokens_per_forward", lambda model: 10)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_a_model_against_itself_differs_by_exactly_nothing(objective: str) -> None:
    model = random_model(objective=objective)
    found = compare(model, model, random_ids(100), 10, cache=None)
    assert (found.nll_delta, found.ppl_ratio, found.kl_mean, found.kl_max, found.top1_agreement) == (0, 1, 0, 0, 1)
    assert found.nll_ci95 == (0, 0)
    assert found.ppl_ratio_ci95 == (1, 1)


def test_divergence_is_scipys_over_every_position() -> None:
    base, candidate, ids = random_model(1), random_model(2), random_ids(40)
    P, Q = (special.softmax(m.module.weight.double().numpy(), axis=1) for m in (base, candidate))
    at = [ids[i] for i in range(40) if (i + 1) % 8]
    expected = np.array([stats.entropy(P[i], Q[i]) for i in at])
    found = compare(base, candidate, ids, 8, cache=None)
    assert found.kl_mean == pytest.approx(expected.mean(), rel=1e-5)
    assert found.kl_median == pytest.approx(np.median(expected), rel=1e-5)
    assert found.kl_p99 == pytest.approx(np.quantile(expected, 0.99), rel=1e-5)
    assert found.kl_max == pytest.approx(expected.max(), rel=1e-5)
    assert found.top1_agreement == pytest.approx(np.mean([P[i].argmax() == Q[i].argmax() for i in at]))


@given(st.integers(0, 10**6), st.floats(0, 50))
@settings(max_examples=40)
def test_divergence_is_never_negative(seed: int, size: float) -> None:
    base = random_model(seed)
    near = TableModel(
        base.module.weight + 1e-6 * size * torch.randn(29, 29, generator=torch.Generator().manual_seed(seed))
    )
    assert compare(base, near, random_ids(40), 8, cache=None).details.kl.min >= 0
    assert compare(base, random_model(seed + 1, size), random_ids(40), 8, cache=None).details.kl.min >= 0


def test_a_word_that_both_rule_out_adds_nothing() -> None:
    table = torch.zeros(29, 29)
    table[:, 28] = -math.inf
    found = compare(TableModel(table), TableModel(table), random_ids(20), 10, cache=None)
    assert found.kl_max == 0
    assert found.base.ppl == pytest.approx(28)


def test_both_sides_are_the_perplexities_that_each_has_alone() -> None:
    base, candidate, ids = random_model(1), random_model(2), random_ids(100)
    found = compare(base, candidate, ids, 10, cache=None)
    assert found.base == perplexity(base, ids, 10)
    assert found.candidate == perplexity(candidate, ids, 10)
    assert found.ppl_ratio == pytest.approx(found.candidate.ppl / found.base.ppl)


def test_the_interval_is_of_the_paired_window_means() -> None:
    base, candidate, ids = random_model(1), random_model(2), random_ids(80)
    gaps = _gaps(base, candidate, ids, 8)
    expected = stats.t.interval(0.95, 9, np.mean(gaps), stats.sem(gaps))
    found = compare(base, candidate, Passage(ids, consecutive=False), 8, cache=None)
    assert found.nll_ci95 == pytest.approx(expected, rel=1e-4)
    assert found.ppl_ratio_ci95 == pytest.approx(np.exp(expected), rel=1e-4)


def test_windows_that_are_neighbours_in_a_text_count_as_fewer() -> None:
    base, candidate, ids = random_model(1), random_model(2), random_ids(80)
    apart, after_another = (
        compare(base, candidate, Passage(ids, consecutive=consecutive), 8, cache=None) for consecutive in (False, True)
    )
    assert after_another.nll_delta == apart.nll_delta
    expected = interval(_gaps(base, candidate, ids, 8), consecutive=True)
    assert after_another.nll_ci95 == pytest.approx(expected, rel=1e-6)


def _gaps(base: TableModel, candidate: TableModel, ids: list[int], context: int) -> list[float]:
    pieces = [ids[i : i + context] for i in range(0, len(ids), context)]
    return [perplexity(candidate, piece, context).nll - perplexity(base, piece, context).nll for piece in pieces]


def test_one_window_has_no_interval() -> None:
    found = compare(random_model(1), random_model(2), random_ids(10), 10, cache=None)
    assert found.nll_ci95 is None
    assert found.delta.ppl_ratio_ci95 is None


@pytest.mark.filterwarnings("error")
def test_a_single_token_has_figures_but_no_errors() -> None:
    found = compare(random_model(1), random_model(2), random_ids(2), 2, cache=None)
    assert found.details.tokens == 1
    assert found.details.kl.mean == Estimate(value=found.kl_mean)
    assert found.details.same_top == Estimate(value=100 * found.top1_agreement)
    assert found.details.ppl_difference.value == pytest.approx(found.candidate.ppl - found.base.ppl)
    assert found.details.ppl_difference.error is None
    assert found.details.correlation is None


@pytest.mark.usefixtures("one_window_at_a_time")
def test_figures_appear_while_it_runs() -> None:
    seen = []
    found = compare(
        random_model(1),
        random_model(2),
        random_ids(50),
        10,
        lambda f, m, partial=None: seen.append((f, partial)),
        cache=None,
    )
    partials = [partial for _, partial in seen if partial]
    assert [partial.windows_done for partial in partials] == [1, 2, 3, 4, 5]
    assert partials[0].nll_ci95 is None
    last = partials[-1]
    assert last.ppl_ratio == pytest.approx(found.ppl_ratio)
    assert last.ppl_ratio_ci95 == pytest.approx(list(found.ppl_ratio_ci95))
    assert last.kl_mean == pytest.approx(found.kl_mean)
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)


@pytest.mark.usefixtures("one_window_at_a_time")
def test_a_cancel_stops_between_the_two_models() -> None:
    base, candidate = random_model(1), random_model(2)

    def stop_second(fraction: float, message: str, partial: dict | None = None) -> None:
        if base.passes:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        compare(base, candidate, random_ids(100), 10, stop_second, cache=None)
    assert (len(base.passes), len(candidate.passes)) == (1, 0)


@pytest.mark.usefixtures("one_window_at_a_time")
def test_stops_early_once_the_interval_is_narrow_and_says_so() -> None:
    base = random_model(1)
    near = TableModel(base.module.weight + 0.01 * random_model(2).module.weight)
    ids = random_ids(1000)
    found = compare(base, near, ids, 10, stop_below_percent=20.0, cache=None)
    assert found.stopped_early
    assert 8 <= found.windows < 100
    low, high = found.ppl_ratio_ci95
    assert 100 * (high - low) < 20 * found.ppl_ratio * 1.001
    whole = compare(base, near, ids, 10, cache=None)
    assert not whole.stopped_early
    assert whole.windows == 100


def test_what_llama_perplexity_prints_follows_from_the_tokens() -> None:
    base, candidate, ids = random_model(1), random_model(2), random_ids(400)
    found = compare(base, candidate, ids, 8, cache=None)
    log_p, log_q = (m.module.weight.double().log_softmax(1).numpy() for m in (base, candidate))
    pairs = [(ids[i], ids[i + 1]) for i in range(399) if (i + 1) % 8]
    a = np.array([-log_q[i, j] for i, j in pairs])
    b = np.array([-log_p[i, j] for i, j in pairs])
    n, details = len(pairs), found.details
    assert details.tokens == n
    assert details.correlation == pytest.approx(100 * np.corrcoef(a, b)[0, 1], rel=1e-4)
    assert details.ln_ppl_ratio.value == pytest.approx((a - b).mean(), rel=1e-4)
    assert details.ln_ppl_ratio.error == pytest.approx(stats.sem(a - b), rel=1e-4)
    assert details.ppl_base.error == pytest.approx(math.exp(b.mean()) * stats.sem(b), rel=1e-4)
    change = 100 * (np.exp(-a) - np.exp(-b))
    assert details.delta_p.mean.value == pytest.approx(change.mean(), abs=1e-4)
    assert details.delta_p.rms.value == pytest.approx(math.sqrt((change**2).mean()), rel=1e-4)
    assert details.delta_p.p5 == pytest.approx(np.quantile(change, 0.05), rel=1e-4)
    p = found.top1_agreement
    assert 0 < p < 1
    assert details.same_top.value == pytest.approx(100 * p)
    assert details.same_top.error == pytest.approx(100 * math.sqrt(p * (1 - p) / (n - 1)))


def test_the_error_of_a_perplexity_difference_is_what_resampling_gives() -> None:
    base = random_model(1)
    near = TableModel(base.module.weight + 0.3 * random_model(2).module.weight)
    ids = random_ids(4000)
    details = compare(base, near, ids, 40, cache=None).details
    log_p, log_q = (m.module.weight.double().log_softmax(1).numpy() for m in (base, near))
    pairs = np.array([(ids[i], ids[i + 1]) for i in range(3999) if (i + 1) % 40])
    b, a = -log_p[pairs[:, 0], pairs[:, 1]], -log_q[pairs[:, 0], pairs[:, 1]]
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(a), (1000, len(a)))
    differences = np.exp(a[draws].mean(axis=1)) - np.exp(b[draws].mean(axis=1))
    assert details.ppl_difference.error == pytest.approx(differences.std(), rel=0.1)


def test_a_broken_candidate_is_named() -> None:
    table = torch.zeros(29, 29)
    table[3, 3] = math.nan
    with pytest.raises(MeasurementError, match="the logits of broken are not finite"):
        compare(random_model(), TableModel(table, name="broken"), list(range(10)), 5, cache=None)


def test_vocabularies_must_be_the_same() -> None:
    with pytest.raises(MeasurementError, match="29 and 30 tokens"):
        compare(random_model(), TableModel(torch.zeros(29, 30)), random_ids(10), 5, cache=None)


def test_the_original_reads_each_window_once_for_many_candidates() -> None:
    base, ids, cache = random_model(1), random_ids(100), StateCache()
    first = compare(base, random_model(2), ids, 10, cache=cache)
    passes = len(base.passes)
    again = compare(base, random_model(2), ids, 10, cache=cache)
    assert passes > 0
    assert len(base.passes) == passes
    assert again == first
    compare(base, random_model(2), ids + random_ids(20, seed=9), 10, cache=cache)  # only the two new windows are read
    assert base.passes[-1].tolist() == [random_ids(20, seed=9)[:10], random_ids(20, seed=9)[10:]]


def test_a_changed_model_is_not_mistaken_for_the_remembered_one() -> None:
    base, ids, cache = random_model(1), random_ids(100), StateCache()
    compare(base, random_model(2), ids, 10, cache=cache)
    base.module.weight[:, ::2] = 0  # same fingerprint, other weights
    assert compare(base, random_model(2), ids, 10, cache=cache) == compare(base, random_model(2), ids, 10, cache=None)


def test_identity_notices_any_single_change_of_a_small_model() -> None:
    model = random_model(1, vocabulary=7)
    before = identity(model)
    assert identity(model) == before
    model.module.weight[3, 4] += 1
    assert identity(model) != before


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    cache = StateCache(largest=3 * 4 * 10)  # three of the tensors below
    for name in "abc":
        cache.put(name, torch.zeros(10))
    assert cache.get("a") is not None
    cache.put("d", torch.ones(10))
    assert cache.get("b") is None
    assert all(cache.get(name) is not None for name in "acd")
    cache.put("huge", torch.zeros(1000))
    assert cache.get("huge") is None
    assert cache.size == 120
    cache.put("a", torch.ones(10))
    assert cache.size == 120
    cache.clear()
    assert cache.size == 0
    assert cache.get("a") is None
    assert key_of("x", [1, 2]) != key_of("x", [12])


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox", "bert"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_remembering_changes_no_digit_on_real_architectures(family: str, dtype: str, tmp_path: Path) -> None:
    from optlab.models import load

    base = load(str(tiny_model_folder(family, tmp_path)), dtype=dtype, device="cpu")
    candidate = base.clone()
    name = candidate.linear_names()[0]
    candidate.set_weight(name, candidate.weight(name).round(decimals=1))
    ids = torch.randint(4, 120, (96,), generator=torch.Generator().manual_seed(1)).tolist()
    cache = StateCache()
    compare(base, candidate, ids, 24, cache=cache)
    remembered = compare(base, candidate, ids, 24, cache=cache)
    assert remembered == compare(base, candidate, ids, 24, cache=None)
    assert remembered.kl_mean > 0
    assert remembered.base == perplexity(base, ids, 24)


def test_the_contracts_delta() -> None:
    delta = compare(random_model(1), random_model(2), random_ids(40), 10, cache=None).delta
    printed = delta.to_dict()
    assert {"nll", "nll_ci95", "ppl_ratio", "ppl_ratio_ci95", "kl_mean", "kl_p99", "top1_agreement"} <= set(printed)
