"""What is timed computes the same product, or honestly a smaller one; times are never compared in a test."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from optlab.lessons import speed


def test_leaving_zeros_out_changes_nothing_and_removing_rows_leaves_the_others() -> None:
    rng = np.random.default_rng(1)
    W, x = rng.standard_normal((32, 48)).astype(np.float32), rng.standard_normal(48).astype(np.float32)
    found = speed.forms(W, 0.75)
    np.testing.assert_allclose(found["csr"] @ x, found["dense"] @ x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["smaller"] @ x, (W @ x)[:8], rtol=1e-5, atol=1e-5)
    assert found["csr"].nnz == np.count_nonzero(found["dense"]) == 32 * 48 // 4


def test_every_share_is_timed_in_every_form() -> None:
    found = speed.timed(np.ones((8, 16), np.float32), (0.0, 0.5), turns=3)
    for form in (found.dense, found.csr, found.smaller):
        assert form.microseconds.shape == form.speedup.shape == (2,)
        assert (form.microseconds > 0).all()
        assert ((form.low <= form.speedup) & (form.speedup <= form.high)).all()


def test_the_interval_of_a_median_is_that_of_the_binomial_distribution() -> None:
    for count in (9, 20, 41):
        first, last = speed.median_ranks(count)
        covered = binom.cdf(last, count, 0.5) - binom.cdf(first, count, 0.5)  # median between two order statistics
        narrower = binom.cdf(last - 1, count, 0.5) - binom.cdf(first + 1, count, 0.5)
        assert covered >= 0.95 > narrower
    assert speed.median_ranks(3) == (0, 2)
