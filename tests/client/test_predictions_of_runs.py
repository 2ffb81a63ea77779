"""A prediction is written down before the measurement, the record is kept in public, and the link learns from it."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from optlab.prediction.state import State, place_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.prediction import Predicted
from optlab.store.run import Run
from optlab.store.store import Store
from tests.pages import samples
from tests.prediction.states import state, truth, uniform, with_anchors

PROTOCOL = Protocol.model_validate({"text": "shakespeare", "dtype": "float32", "latency": False})
TRIED = [uniform(bits, group, s) for bits in (2, 3, 4, 5) for group in (32, None) for s in (0.1, 0.5)]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    found = Client(Store("sqlite://"))
    run = found.submit_prepare("nano")
    assert found.store.claim("w") is not None
    found.store.finish(run.id, samples.description())
    return found


@pytest.fixture
def probed(client: Client) -> State:
    found = replace(with_anchors(state(), 1.0), text=PROTOCOL.text)
    found.save(place_of(found.fingerprint))
    return found


def finish(client: Client, run: Run, nll: float) -> None:
    """End a run as if `nll` nats had been measured."""
    claimed = client.store.claim("w")
    assert claimed is not None and claimed.id == run.id
    measured = samples.measurement(math.exp(nll), 1_000, None, MEASURE.spec_of(run).known_recipe)
    client.store.finish(
        run.id,
        measured.model_copy(update={"delta": measured.delta.model_copy(update={"nll": nll, "kl_mean": abs(nll)})}),
    )


def measure_all(client: Client, found: State, recipes: list[Recipe], law: Callable[[float], float]) -> None:
    """Ask for all at once, so that none learns from another, then let them end in the order of asking."""
    runs = [client.submit_measure("nano", recipe, PROTOCOL) for recipe in recipes]
    for run, recipe in zip(runs, recipes, strict=True):
        finish(client, run, law(truth(found, recipe)))


def predicted(client: Client, recipe: Recipe) -> Predicted:
    predictor = client.predictor("nano", PROTOCOL)
    assert predictor is not None
    return predictor.predict(recipe).document()


def nll_of(found: Predicted) -> float:
    assert found.delta is not None
    return found.delta.nll


def test_without_a_probe_nothing_is_predicted_and_measuring_goes_on(client: Client) -> None:
    assert client.predictor("nano", PROTOCOL) is None
    run = client.submit_measure("nano", TRIED[0], PROTOCOL)
    assert MEASURE.spec_of(run).predicted is None
    finish(client, run, 0.1)
    assert client.ledger().measured == 0


def test_the_prediction_is_written_down_when_the_measurement_is_asked_for(client: Client, probed: State) -> None:
    before = predicted(client, TRIED[0])
    run = client.submit_measure("nano", TRIED[0], PROTOCOL)
    finish(client, run, 100 * truth(probed, TRIED[0]))
    after = predicted(client, TRIED[0])
    kept = client.store.get(run.id)
    assert kept is not None
    claimed = MEASURE.spec_of(kept).predicted
    assert claimed is not None and claimed.delta is not None
    assert claimed.delta == before.delta != after.delta
    entry = client.ledger("nano").entries[0]
    assert entry.predicted == nll_of(before)
    assert entry.measured == pytest.approx(100 * truth(probed, TRIED[0]))
    assert not entry.inside


def test_the_record_of_a_right_predictor_is_good(client: Client, probed: State) -> None:
    rng = np.random.default_rng(0)
    measure_all(client, probed, TRIED, lambda nll: nll * math.exp(rng.normal(0, 0.02)))
    found = client.ledger()
    assert found.measured == len(TRIED)
    assert found.trustworthy
    assert found.median_error is not None
    assert found.median_error < 0.05


@pytest.mark.parametrize("wrong", [3.0, 0.3])
def test_a_deliberately_wrong_predictor_shows_bad_coverage(client: Client, probed: State, wrong: float) -> None:
    measure_all(client, probed, TRIED, lambda nll: wrong * nll)
    found = client.ledger()
    assert found.measured == len(TRIED)
    assert found.inside < found.measured / 2
    assert not found.trustworthy


def test_every_measurement_refits_the_link(client: Client, probed: State) -> None:
    """The probe's anchors were right for another text: here everything hurts twice as much."""
    unseen = uniform(3, 64, 0.2)
    target = math.log(2 * truth(probed, unseen))
    errors = [abs(math.log(nll_of(predicted(client, unseen))) - target)]
    for recipe in TRIED:
        finish(client, client.submit_measure("nano", recipe, PROTOCOL), 2 * truth(probed, recipe))
        errors.append(abs(math.log(nll_of(predicted(client, unseen))) - target))
    assert errors[0] > 0.5
    assert errors[-1] < 0.7 * errors[0]


def test_measurements_on_another_text_teach_nothing_about_this_one(client: Client, probed: State) -> None:
    before = predicted(client, TRIED[3])
    bible = PROTOCOL.model_copy(update={"text": "web-bible"})
    run = client.submit_measure("nano", TRIED[3], bible)
    finish(client, run, 50.0)
    assert predicted(client, TRIED[3]).delta == before.delta


def test_a_recipe_that_is_not_predicted_claims_nothing_and_can_still_be_learnt_beside(
    client: Client, probed: State
) -> None:
    coded = Recipe.of(Step("quantize", "nf4", {}))
    run = client.submit_measure("nano", coded, PROTOCOL)
    claimed = MEASURE.spec_of(run).predicted
    assert claimed is not None and not claimed.inside_probed_range
    finish(client, run, 0.3)
    assert client.ledger().measured == 0
    assert predicted(client, TRIED[0]).inside_probed_range


def test_asking_again_while_nothing_is_new_fits_nothing(client: Client, probed: State) -> None:
    assert client.predictor("nano", PROTOCOL) is client.predictor("nano", PROTOCOL)


def test_the_table_of_a_family_knows_the_perplexity_of_the_original_once_it_was_measured(
    client: Client, probed: State
) -> None:
    table = client.prediction_table("nano", TRIED[0], PROTOCOL)
    assert table is not None and table.original.ppl is None
    assert client.prediction_table("nano", TRIED[0], PROTOCOL) is table
    finish(client, client.submit_measure("nano", TRIED[0], PROTOCOL), truth(probed, TRIED[0]))
    later = client.prediction_table("nano", TRIED[0], PROTOCOL)
    assert later is not None and later.original.ppl == 20.0
    other = PROTOCOL.model_copy(update={"tokens": 1024})
    shorter = client.prediction_table("nano", TRIED[0], other)
    assert shorter is not None and shorter.original.ppl is None


def test_without_a_probe_there_is_no_table(client: Client) -> None:
    assert client.prediction_table("nano", TRIED[0], PROTOCOL) is None
