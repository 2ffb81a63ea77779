"""Dynamic int8: the model computes what integer arithmetic computes, in evaluation, from its file, and when timed."""

from pathlib import Path

import pytest
import torch

from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.kernels.runtime import runtime
from optlab.models.inputs import InputFormat, input_formats
from optlab.models.structure import is_conv1d
from tests.compressing import Step, compressed, quantize, tiny
from tests.tiny import CAUSAL, FAMILIES

IDS = torch.arange(4, 24).unsqueeze(0)


def dynamic(**values: object) -> Step:
    return {"quantize": {"method": "dynamic", **values}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_multiplies_whole_numbers(family, tmp_path):
    result = compressed(tiny(family, tmp_path), tmp_path, dynamic())
    x = torch.randn(7, 32, generator=torch.Generator().manual_seed(0))
    for name in result.model.linear_names():
        stored, module = result.stored[name], result.model.module_named(name)
        if stored.shape[1] != 32:
            continue
        step = x.abs().amax(1, keepdim=True).double() / 127
        products = (x / step.float()).round().long() @ (stored.codes.long() - 128).T
        expected = products * step * stored.scale.double().T
        bias = module.bias.double() if getattr(module, "bias", None) is not None else 0.0
        torch.testing.assert_close(module(x).double(), expected + bias, rtol=1e-4, atol=1e-5)
        assert is_conv1d(module) == (family == "gpt2")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_the_same_from_its_file(family, tmp_path):
    model = tiny(family, tmp_path)
    result = compressed(model, tmp_path, dynamic())
    weights_only = compressed(model, tmp_path, quantize(bits=8, group_size=None, symmetric=True))
    logits = result.model.logits(IDS)
    for name in model.linear_names():
        assert torch.equal(result.model.weight(name), weights_only.model.weight(name))
    assert not torch.equal(logits, weights_only.model.logits(IDS)), "the activations are not rounded"
    error = (logits - model.logits(IDS)).norm() / model.logits(IDS).norm()
    assert 0 < error < 0.1
    save(result, tmp_path / "artefact")
    again = load_artefact(tmp_path / "artefact")
    assert torch.equal(again.model.logits(IDS), logits)
    assert input_formats(again.model.module) == dict.fromkeys(model.linear_names(), InputFormat(8))
    assert (tmp_path / "artefact" / "optlab.safetensors").is_file()


def test_fewer_bits_of_activations_lose_more(tmp_path):
    model = tiny("llama", tmp_path)
    exact = model.logits(IDS)
    errors = [
        (compressed(model, tmp_path, dynamic(activation_bits=bits)).model.logits(IDS) - exact).norm().item()
        for bits in (8, 6, 4, 3)
    ]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 10


@pytest.mark.parametrize("family", CAUSAL)
def test_what_is_timed_multiplies_whole_numbers_too(family, tmp_path):
    result = compressed(tiny(family, tmp_path), tmp_path, dynamic())
    timed = runtime(result, "float32")
    assert timed.path.endswith("int8 weights and activations")
    assert not any("16-bit" in note or "stretched" in note for note in timed.notes)
    expected = result.model.logits(IDS)[0]
    ids = IDS[0].tolist()
    # A sum in another order may move a number across the edge between two codes.
    torch.testing.assert_close(timed.prefill(ids[:-1]), expected[-2], rtol=0.01, atol=0.02)
    torch.testing.assert_close(timed.decode(ids[-1]), expected[-1], rtol=0.01, atol=0.02)


def test_a_width_without_a_kernel_is_rounded_all_the_same_and_says_so(tmp_path):
    result = compressed(tiny("llama", tmp_path), tmp_path, quantize(bits=4), dynamic(activation_bits=4))
    timed = runtime(result, "float32")
    assert "8 times 4 bits have no kernel: timed stretched to 8 times 8 bits" in timed.notes
    torch.testing.assert_close(timed.prefill(IDS[0].tolist()), result.model.logits(IDS)[0, -1], rtol=0.1, atol=0.2)


def test_a_later_step_may_change_the_weights_and_keeps_the_rounding(tmp_path):
    result = compressed(tiny("llama", tmp_path), tmp_path, dynamic(), quantize(bits=4))
    timed = runtime(result, "float32")
    assert any(note.startswith("activations are rounded and then multiplied as dense") for note in timed.notes)
    torch.testing.assert_close(timed.prefill(IDS[0].tolist()), result.model.logits(IDS)[0, -1], rtol=0.01, atol=0.02)


def test_an_embedding_has_no_activations(tmp_path):
    with pytest.raises(RecipeError, match="quantize it with rtn"):
        compressed(tiny("llama", tmp_path), tmp_path, dynamic() | {"layers": "model.embed_tokens"})
