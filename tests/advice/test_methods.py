"""Methods at the same bits are compared where they compare: the same model, text and bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.advice.methods import at_bits, bits_of, worse_than_plain
from optlab.client.client import Client
from optlab.jobs.measured import readable
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.store.store import Store
from tests.pages import samples

GPTQ = Recipe.of(Step("quantize", "gptq", {"bits": 4, "group_size": 64}))
PRUNED = Recipe.of(Step("prune", "magnitude", {"sparsity": 0.5}), *samples.quantized(4).steps)
LAYER = "model.layers.0.mlp.gate_proj"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    return Client(Store())


def measured(client: Client, recipe: Recipe, ratio: float) -> None:
    run = client.submit_measure("nano", recipe, Protocol(text="shakespeare"))
    for waiting in client.runs(status="queued"):
        if waiting.id != run.id:
            client.delete(waiting.id)
    samples.finish(client, run, samples.measurement(ratio, 5_000_000, 1.0, recipe))


def test_recipes_of_the_same_bits_are_rows_the_best_first(client: Client) -> None:
    measured(client, samples.quantized(4), 1.10)
    measured(client, GPTQ, 1.15)
    measured(client, samples.quantized(8), 1.01)
    measured(client, PRUNED, 1.05)
    done = readable(client.runs("measure", "done"))
    found = at_bits(done, 4, LAYER, "shakespeare")
    assert [one.ratio for one in found] == [1.05, 1.10, 1.15]
    assert [one.plain for one in found] == [False, True, False]
    names = [name for name, _ in samples.description().linears]
    assert found[0].error == pytest.approx(0.01 * (names.index(LAYER) + 1))
    assert found[0].seconds == 0.5
    assert [one.ratio for one in worse_than_plain(found)] == [1.15]
    assert worse_than_plain(found[:1]) == []
    assert at_bits(done, 4, LAYER, "bbc-news") == []


def test_bits_are_those_that_all_steps_share() -> None:
    assert bits_of(samples.quantized(4)) == bits_of(PRUNED) == 4
    assert bits_of(Recipe.of(*samples.quantized(4).steps, *samples.quantized(8).steps)) is None
    assert bits_of(Recipe()) is None
