"""Number formats as steps of a recipe, on every family: what is stored, what the file weighs, that it reads back."""

from pathlib import Path

import pytest
import torch

from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.kernels.runtime import runtime
from optlab.methods import method
from tests.compressing import Step, compressed, prune, tiny
from tests.tiny import FAMILIES

FORMATS = {
    "nf4": ({"group_size": 16}, 4 + 16 / 16),
    "fp4": ({"group_size": None}, 4 + 16 / 32),
    "fp8": ({"scale": "group", "group_size": 16}, 8 + 16 / 16),
    "cast": ({"format": "bfloat16"}, 16),
}
"""Method -> its values, and the bits per weight of a layer with 32 inputs."""


def step(name: str, **values: object) -> Step:
    return {"quantize": {"method": name, **values}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FORMATS)
def test_every_family_is_written_and_read_back(name, family, tmp_path):
    values, bits = FORMATS[name]
    model = tiny(family, tmp_path)
    result = compressed(model, tmp_path, step(name, **values))
    assert list(result.stored) == model.linear_names()
    narrow = [layer for layer in result.layers if model.weight(layer.name).shape[1] == 32]
    assert {layer.bits_per_weight for layer in narrow} == {bits}
    assert all(0 < layer.output_error < 0.3 for layer in result.layers)
    size = save(result, tmp_path / "artefact")
    assert size * 8 >= sum(stored.stored_bits() for stored in result.stored.values())
    again = load_artefact(tmp_path / "artefact")
    for layer in model.linear_names():
        assert torch.equal(again.model.weight(layer), result.model.weight(layer)), layer
    ids = torch.arange(4, 24).unsqueeze(0)
    assert torch.equal(again.model.logits(ids), result.model.logits(ids))


@pytest.mark.parametrize("name", FORMATS)
def test_pruned_weights_stay_zero_and_are_not_stored(name, tmp_path):
    model = tiny("llama", tmp_path)
    values, bits = FORMATS[name]
    result = compressed(model, tmp_path, prune(sparsity=0.9), step(name, **values))
    for layer in result.layers:
        assert layer.sparsity > 0.89
        assert layer.bits_per_weight < bits / 2
    after = compressed(model, tmp_path, step(name, **values), prune(sparsity=0.9))
    assert all(layer.sparsity > 0.89 for layer in after.layers)
    assert {type(stored) for stored in after.stored.values()} == {type(stored) for stored in result.stored.values()}


def test_a_format_without_a_kernel_says_how_it_is_timed(tmp_path):
    model = tiny("llama", tmp_path)
    timed = runtime(compressed(model, tmp_path, step("nf4", group_size=16)), "float32")
    assert "nf4 has no kernel: timed as dense 16-bit numbers" in timed.notes
    cast = runtime(compressed(model, tmp_path, step("cast")))
    assert not any("16-bit" in note or "zeros" in note for note in cast.notes)


def test_a_cast_to_the_format_of_the_checkpoint_changes_nothing(tmp_path):
    model = tiny("llama", tmp_path, dtype="float16")
    result = compressed(model, tmp_path, step("cast", format="float16"))
    assert {layer.output_error for layer in result.layers} == {0.0}


def test_weights_beyond_float16_are_refused(tmp_path):
    model = tiny("llama", tmp_path, dtype="float32")
    name = model.linear_names()[0]
    cast = method("quantize", "cast")({"format": "float16"})
    with pytest.raises(RecipeError, match="use bfloat16"):
        cast.quantize(model.weight(name) * 1e7, name, None)


def test_descriptions():
    def said(name: str, **values: object) -> str:
        found = method("quantize", name)
        return found.describe(found.check(values))

    assert said("nf4") == "nf4, group 64"
    assert said("fp4", group_size=None) == "fp4, per channel"
    assert said("fp8") == "fp8, per channel"
    assert said("fp8", scale="group") == "fp8, group 64"
    assert said("cast", format="float16") == "float16"
