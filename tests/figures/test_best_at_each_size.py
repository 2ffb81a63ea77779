"""The line of the best predictions: a larger file that is predicted to be worse is not the best of its size."""

from __future__ import annotations

import pytest

from optlab.figures.curve import best_at_each_size
from optlab.models import shipped
from optlab.prediction import state
from optlab.prediction.predictor import Predictor


@pytest.mark.parametrize("model", ["nano", "smollm2-135m"])
def test_a_larger_budget_never_has_a_worse_best(model: str) -> None:
    description = shipped.description(model)
    assert description is not None
    probe = state.shipped(description.fingerprint)
    assert probe is not None
    found = best_at_each_size(Predictor(state.State.load(probe)))
    assert len(found) > 10
    sizes, ratios = [one.size for one in found], [one.ratio for one in found]
    assert sizes == sorted(sizes)
    assert ratios == sorted(ratios, reverse=True)
