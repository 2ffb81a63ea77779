"""A recipe applied to a model: what changes, what is stored, what is reported, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from optlab.calibrate.statistics import statistics
from optlab.compression import compress
from optlab.errors import Cancelled, ModelError, RecipeError
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.sparse_tensor import SparseTensor
from optlab.models import load
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.compressing import calibration_file, compressed, prune, quantize, tiny
from tests.tiny import FAMILIES, tiny_model_folder

BOTH = (prune(sparsity=0.5), quantize(bits=4))
CALIBRATED = (prune(method="wanda", sparsity=0.5), quantize(bits=4))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_pruned_and_quantized(family, tmp_path):
    model = tiny(family, tmp_path)
    before = {name: parameter.clone() for name, parameter in model.module.named_parameters()}
    result = compressed(model, tmp_path, *BOTH)
    for name, parameter in model.module.named_parameters():
        assert torch.equal(parameter, before[name]), "the model that was given has changed"
    assert [layer.name for layer in result.layers] == model.linear_names()
    for layer in result.layers:
        W = result.model.weight(layer.name)
        assert torch.equal(W, result.stored[layer.name].dequantize())
        assert layer.sparsity >= 0.5
        assert 0 < layer.output_error < 1
        assert layer.bits_per_weight < 5.3


def test_no_steps_is_the_original(tmp_path):
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path)
    assert result.stored == {}
    ids = torch.arange(4, 24).unsqueeze(0)
    assert torch.equal(result.model.logits(ids), model.logits(ids))
    assert {(layer.bits_per_weight, layer.output_error) for layer in result.layers} == {(16.0, 0.0)}


def test_pruned_weights_stay_zero_when_they_are_quantized(tmp_path):
    model = tiny("llama", tmp_path)
    sparse = compressed(model, tmp_path, prune(sparsity=0.5))
    for values in ({"bits": 2}, {"bits": 4, "symmetric": True}, {"bits": 3, "group_size": None, "clip": "mse"}):
        result = compressed(model, tmp_path, prune(sparsity=0.5), quantize(**values))
        for name in model.linear_names():
            assert (result.model.weight(name)[sparse.model.weight(name) == 0] == 0).all()


def test_quantized_weights_keep_their_codes_when_they_are_pruned(tmp_path):
    model = tiny("llama", tmp_path)
    codes = compressed(model, tmp_path, quantize(bits=4))
    result = compressed(model, tmp_path, quantize(bits=4), prune(sparsity=0.5))
    for name in model.linear_names():
        W, Q = result.model.weight(name), codes.model.weight(name)
        assert int((W == 0).sum()) == max(round(0.5 * W.numel()), int((Q == 0).sum()))
        assert torch.equal(W[W != 0], Q[W != 0])
        assert isinstance(result.stored[name], QuantizedTensor)


def test_a_float_zero_point_after_pruning_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="use integer"):
        compressed(tiny("llama", tmp_path), tmp_path, prune(sparsity=0.5), quantize(zero_point="float"))


def test_the_output_error_is_that_of_the_layer_on_the_calibration_text(tmp_path):
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path, quantize(bits=3))
    found = statistics(model, calibration_file(tmp_path), 512, 32)
    name = "model.layers.1.mlp.down_proj"
    W, D = model.weight(name).double(), (result.model.weight(name) - model.weight(name)).double()
    A = found.gram(name).double()
    expected = (torch.trace(D @ A @ D.T) / torch.trace(W @ A @ W.T)).sqrt()
    (layer,) = [layer for layer in result.layers if layer.name == name]
    assert layer.output_error == pytest.approx(float(expected), rel=1e-4)


def test_bits_per_weight_count_what_is_stored(tmp_path):
    model = tiny("llama", tmp_path)
    steps = prune(r"model\.layers\.0\.mlp", sparsity=0.5), quantize(r"model\.layers\.1", bits=3, symmetric=True)
    result = compressed(model, tmp_path, *steps)
    bits = {layer.name: layer.bits_per_weight for layer in result.layers}
    assert bits["model.layers.0.self_attn.q_proj"] == 16.0
    assert bits["model.layers.0.mlp.up_proj"] == 1 + 8
    # 64 columns of 3 bits fill six words; a scale of 16 bits serves 16 weights.
    assert bits["model.layers.1.mlp.down_proj"] == 3 + 1


def test_an_expression_names_layers_and_may_name_embedding_and_head(tmp_path):
    untied = tiny("llama", tmp_path)
    assert list(compressed(untied, tmp_path, quantize("lm_head|model.embed", bits=8)).stored) == [
        "model.embed_tokens",
        "lm_head",
    ]
    with pytest.raises(RecipeError, match="matches no layer"):
        compressed(untied, tmp_path, quantize("nothing"))


def test_a_tied_embedding_is_also_the_head(tmp_path):
    model = tiny("qwen2", tmp_path)
    result = compressed(model, tmp_path, quantize("lm_head", bits=4))
    assert list(result.stored) == ["model.embed_tokens"]
    assert torch.equal(result.model.weight("lm_head"), result.stored["model.embed_tokens"].dequantize())
    assert any("also the head" in note for note in result.notes)
    assert 0 < result.layers[0].output_error < 1


def test_a_step_that_does_not_fit_is_refused_before_anything_is_done(tmp_path):
    seen: list[str] = []
    protocol = Protocol(calibration=calibration_file(tmp_path))
    recipe = Recipe.from_dict({"steps": [prune(sparsity=0.5), quantize(group_size=24)]})
    model = tiny("llama", tmp_path)
    with pytest.raises(RecipeError, match="group_size 24 does not divide 32"):
        compress(model, recipe, protocol, lambda fraction, message, partial=None: seen.append(message))
    assert seen == []


def test_progress_never_goes_back_and_can_cancel(tmp_path):
    model = tiny("llama", tmp_path)
    recipe = Recipe.from_dict({"steps": list(CALIBRATED)})
    protocol = Protocol(calibration=calibration_file(tmp_path), calibration_tokens=512, context=32)

    for statistics_are_cached in (False, True):
        fractions: list[float] = []
        messages: list[str] = []

        def note(fraction: float, message: str, partial: object = None, to=(fractions, messages)) -> None:
            to[0].append(fraction)
            to[1].append(message)

        compress(model, recipe, protocol, note)
        assert fractions == sorted(fractions)
        assert fractions[0] == 0.0
        assert 0.9 < fractions[-1] <= 1.0
        assert any("calibration statistics" in message for message in messages) != statistics_are_cached

    def cancel(fraction: float, message: str, partial: object = None) -> None:
        if fraction > 0.5:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        compress(model, recipe, protocol, cancel)


def test_the_precision_of_the_evaluation_does_not_change_what_is_stored(tmp_path):
    folder = str(tiny_model_folder("llama", tmp_path / "model", "float16"))
    full, half = load(folder, "float32"), load(folder, "bfloat16")
    for step in (quantize(bits=4), prune(sparsity=0.3)):
        a, b = compressed(full, tmp_path, step), compressed(half, tmp_path, step)
        for name in a.stored:
            assert torch.equal(a.stored[name].dequantize(), b.stored[name].dequantize())


@pytest.mark.parametrize("order", [lambda d: (prune(sparsity=0.5), d), lambda d: (d, prune(sparsity=0.5))])
def test_training_keeps_zeros_and_what_is_stored_follows_it(order: Callable, tmp_path):
    distill = {"distill": {"steps": 3, "window": 16, "batch": 2, "learning_rate": 1e-2}}
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path, *order(distill))
    for name in model.linear_names():
        W, stored = result.model.weight(name), result.stored[name]
        assert isinstance(stored, SparseTensor)
        assert torch.equal(W, stored.dequantize())
        assert int((W == 0).sum()) >= W.numel() // 2
        assert not torch.equal(W[W != 0], model.weight(name)[W != 0])
    for parameter in result.model.module.parameters():
        assert torch.equal(parameter, parameter.half().float()), "a trained weight has digits that are not stored"


def test_a_weight_that_is_not_finite_is_one_clear_sentence(tmp_path):
    model = tiny("llama", tmp_path)
    name = model.linear_names()[3]
    model.weight(name)[0, 0] = torch.inf
    with pytest.raises(ModelError, match=f"{name} holds numbers that are not finite"):
        compressed(model, tmp_path, quantize())
