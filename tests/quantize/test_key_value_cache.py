"""Keys and values as a step of a recipe: in evaluation, in the file's notice, in what is timed, and in the hash."""

from pathlib import Path

import pytest
import torch

from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.kernels.runtime import runtime
from optlab.models.key_values import KeyValueFormat, key_value_formats
from optlab.recipes import Recipe
from tests.compressing import Step, compressed, quantize, tiny
from tests.tiny import CAUSAL, MASKED

IDS = torch.arange(4, 34).unsqueeze(0)


def cache(layers: str | None = None, **values: object) -> Step:
    return {"cache": {"group": 8, **values}} | ({"layers": layers} if layers else {})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("keys", ["token", "channel"])
def test_every_family_rounds_and_comes_back_from_its_file(family, keys, tmp_path):
    model = tiny(family, tmp_path)
    result = compressed(model, tmp_path, cache(bits=4, keys=keys))
    for name, parameter in result.model.module.named_parameters():
        assert torch.equal(parameter, model.module.get_parameter(name)), "a weight has changed"
    assert not torch.equal(result.model.logits(IDS), model.logits(IDS))
    save(result, tmp_path / "artefact")
    again = load_artefact(tmp_path / "artefact")
    assert torch.equal(again.model.logits(IDS), result.model.logits(IDS))
    assert set(key_value_formats(again.model).values()) == {KeyValueFormat(4, keys, 8)}


@pytest.mark.parametrize("family", ["llama", "gemma", "gpt2"])
@pytest.mark.parametrize("keys", ["token", "channel"])
@pytest.mark.parametrize("prompt", [1, 8, 13])
def test_what_is_timed_and_written_rounds_as_evaluation_does(family, keys, prompt, tmp_path):
    result = compressed(tiny(family, tmp_path), tmp_path, cache(bits=3, keys=keys))
    timed = runtime(result, "float32")
    expected = result.model.logits(IDS)[0]
    ids = IDS[0].tolist()
    found = [timed.prefill(ids[:prompt])] + [timed.decode(token) for token in ids[prompt:]]
    torch.testing.assert_close(torch.stack(found), expected[prompt - 1 :], rtol=1e-3, atol=1e-3)
    assert any(note.startswith("keys and values are rounded to 3 bits") for note in timed.notes)


def test_it_stands_beside_quantized_weights(tmp_path):
    model = tiny("llama", tmp_path)
    weights = compressed(model, tmp_path, quantize(bits=4))
    both = compressed(model, tmp_path, quantize(bits=4), cache(bits=4))
    assert list(both.stored) == list(weights.stored)
    assert not torch.equal(both.model.logits(IDS), weights.model.logits(IDS))


def test_an_expression_names_blocks_by_their_layers(tmp_path):
    result = compressed(tiny("llama", tmp_path), tmp_path, cache(r"model\.layers\.1\.", bits=4))
    assert list(key_value_formats(result.model)) == ["model.layers.1"]


@pytest.mark.parametrize("family", MASKED)
def test_a_masked_model_keeps_no_keys_and_values(family, tmp_path):
    with pytest.raises(RecipeError, match="keeps no keys and values"):
        compressed(tiny(family, tmp_path), tmp_path, cache())


def test_the_recipe_says_it_and_its_hash_depends_on_it():
    four, eight = (Recipe.from_dict({"steps": [{"cache": {"bits": bits}}]}) for bits in (4, 8))
    assert four.content_hash != eight.content_hash
    assert four.describe() == "cache 4 bits, keys per channel"
    assert Recipe.from_yaml(four.to_yaml()) == four
