"""Training is predicted as the recipe without it, of whose loss a share is won back: any, then the learned one."""

from __future__ import annotations

import pytest

from optlab.methods import REGISTRY, method
from optlab.prediction.predictor import Observation, Predictor
from optlab.prediction.recovery import PRIOR, WITHIN, Recovery, trained
from optlab.prediction.treatment import Outside
from optlab.recipes import Recipe, Step
from tests.prediction.states import state, uniform, with_anchors

PRUNED = Step("prune", "magnitude", {"sparsity": 0.6})
ROUNDED = Step("quantize", "rtn", {"bits": 3, "group_size": 32})
DISTILLED = Step("distill", "forward_kl", {})
REPAIRED = Recipe.of(PRUNED, DISTILLED)


def predictor(*measured: Observation) -> Predictor:
    return Predictor(with_anchors(state(), 1.0), measured)


def test_every_method_that_trains_has_a_recipe_without_training_and_no_other_has() -> None:
    for kind in REGISTRY:
        for name in REGISTRY[kind]:
            found = method(kind, name)
            knobs = {parameter.name for parameter in found.parameters}
            assert found.trains == ({"steps", "learning_rate"} <= knobs), name
            if name == "chosen_heads":
                continue  # has no default
            step = Step(kind, name)
            assert (trained(Recipe.of(step)) is not None) == found.trains
            if not found.trains:
                assert found.untrained(step.values) == (name, step.values)


def test_a_recipe_without_training_is_what_it_stores_and_what_training_can_repair() -> None:
    found = trained(Recipe.of(PRUNED, DISTILLED, ROUNDED))
    assert found is not None
    assert found.untrained == Recipe.of(PRUNED, ROUNDED)
    assert found.before == Recipe.of(PRUNED), "what is rounded after the training stays lost"
    qat = trained(Recipe.of(Step("quantize", "qat", {"bits": 3, "group_size": 32})))
    assert qat is not None
    assert qat.untrained == qat.before == Recipe.of(ROUNDED)
    gradual = trained(Recipe.of(Step("prune", "gradual", {"sparsity": 0.6})))
    assert gradual is not None and gradual.untrained == Recipe.of(PRUNED)


def test_before_any_training_the_band_goes_from_no_gain_to_all_of_the_loss() -> None:
    one = predictor()
    lost, told = one.predict(Recipe.of(PRUNED)), one.predict(REPAIRED)
    assert lost.nll is not None and told.nll is not None and told.nll_band90 is not None
    low, high = told.nll_band90
    assert told.nll == pytest.approx(lost.nll / 2)
    assert low <= 0.0 and high >= lost.nll
    assert told.size_bytes == lost.size_bytes
    assert told.reason is None and told.note is not None and "not known yet" in told.note


def test_size_and_quality_are_those_of_the_same_recipe_without_training() -> None:
    one = predictor()
    qat = one.predict(Recipe.of(Step("quantize", "qat", {"bits": 3, "group_size": 32})))
    rounded = one.predict(uniform(3, 32))
    assert qat.size_bytes == rounded.size_bytes and qat.nll is not None and rounded.nll is not None
    assert 0 < qat.nll < rounded.nll


@pytest.mark.parametrize(("share", "narrower"), [(0.2, 0.95), (0.9, 0.6)])
def test_finished_trainings_of_its_kind_narrow_the_band_around_what_they_won(share: float, narrower: float) -> None:
    before = predictor()
    lost = before.predict(Recipe.of(PRUNED)).nll
    assert lost is not None
    seen = [
        Observation(Recipe.of(PRUNED, Step("distill", "forward_kl", {"steps": steps})), (1 - share) * lost, 0.1, 8192)
        for steps in range(100, 800, 100)
    ]
    first, after = before.predict(REPAIRED), predictor(*seen).predict(REPAIRED)
    assert first.nll_band90 and after.nll_band90 and after.nll is not None
    assert after.nll == pytest.approx((1 - share) * lost, abs=0.06 * lost)
    assert after.nll_band90[1] - after.nll_band90[0] < narrower * (first.nll_band90[1] - first.nll_band90[0])
    assert after.trainings == len(seen)
    other = predictor(*seen).predict(Recipe.of(PRUNED, Step("distill", "reverse_kl", {})))
    assert other.nll == pytest.approx(first.nll), "another kind of training has won nothing yet"


def test_training_what_lost_nothing_is_not_sure_to_change_nothing() -> None:
    told = predictor().predict(Recipe.of(DISTILLED))
    assert told.nll == 0.0 and told.nll_band90 is not None
    assert told.nll_band90[0] < 0.0 < told.nll_band90[1]


def test_a_student_of_another_shape_is_not_predicted() -> None:
    told = predictor().predict(Recipe.of(Step("distill", "forward_kl", {"student_layers": 1})))
    assert told.nll is None and told.reason is not None and "another model" in told.reason
    with pytest.raises(Outside):
        trained(Recipe.of(Step("distill", "forward_kl", {"start": "scratch"})))


def test_the_mean_of_shares_is_that_of_a_normal_prior_and_normal_misses() -> None:
    mean, deviation = Recovery([("qat", 0.8), ("qat", 0.6)]).share("qat")
    weight = 2 * PRIOR**2 / (2 * PRIOR**2 + WITHIN**2)
    assert mean == pytest.approx(weight * 0.7 + (1 - weight) * 0.5)
    assert deviation == pytest.approx((WITHIN**2 + PRIOR**2 * (1 - weight)) ** 0.5)
