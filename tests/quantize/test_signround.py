"""Learned rounding: its gradients against automatic ones, and its result against what it began with."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from optlab.calibrate.walk import Walk
from optlab.compression import compress
from optlab.formats.integer_grid import best_clip, in_groups
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.protocol import Protocol
from optlab.quantize.rounding import LearnedRounding
from optlab.quantize.signround import output_error
from optlab.recipes import Recipe
from optlab.texts import calibration_windows
from tests.tiny import FAMILIES, tiny_model_folder

ZEROS = ["none", "integer", "float"]
PROTOCOL = Protocol(calibration="shakespeare", calibration_tokens=8192, context=32, dtype="float32")


def beginning(bits: int, zero: str, seed: int) -> tuple[Tensor, QuantizedTensor]:
    W = torch.randn(6, 32, generator=torch.Generator().manual_seed(seed))
    return W, QuantizedTensor.of(W, best_clip(in_groups(W, 16), bits, zero), 16)


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(2, 8), zero=st.sampled_from(ZEROS), seed=st.integers(0, 1000), other=st.booleans())
def test_learning_begins_exactly_at_the_start(bits, zero, seed, other):
    W, start = beginning(bits, zero, seed)
    # `other`: a start that is not the nearest rounding of W, as GPTQ's is not.
    rounding = LearnedRounding(start, W + 0.3 * torch.randn_like(W) if other else W)
    assert torch.equal(rounding.result().codes, start.codes)
    assert torch.equal(rounding.value(), start.dequantize())


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(2, 8), zero=st.sampled_from(ZEROS), seed=st.integers(0, 1000))
def test_what_is_computed_with_is_what_is_stored(bits, zero, seed):
    W, start = beginning(bits, zero, seed)
    rounding = LearnedRounding(start, W)
    for step in range(4):
        rounding.descend(torch.randn(W.shape, generator=torch.Generator().manual_seed(step)), 0.1)
    assert torch.equal(rounding.value(), rounding.result().dequantize())
    assert not torch.equal(rounding.value(), start.dequantize())


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_descent_moves_against_the_gradient_that_autograd_finds(bits):
    """With straight-through rounding written out for autograd."""
    W, start = beginning(bits, "integer", 3)
    rounding = LearnedRounding(start, W)
    G = torch.randn(W.shape, generator=torch.Generator().manual_seed(0))
    n = 2**bits - 1
    alpha, beta = rounding.alpha.clone().requires_grad_(), rounding.beta.clone().requires_grad_()
    V = rounding.V.clone().requires_grad_()
    low, high = (beta * rounding.low).unsqueeze(-1), (alpha * rounding.high).unsqueeze(-1)
    s = (high - low) / n
    z = -low / s

    def straight_through(x: Tensor) -> Tensor:
        return x + (x.round() - x).detach()

    # The whole numbers are those of the stored grid; gradients flow as if nothing were rounded.
    codes = straight_through(rounding.T / s + V) + z + (z.round() - z).detach()
    q = s * (codes.clamp(0, n) - z - (z.round() - z).detach())
    (q.flatten(1) * G).sum().backward()
    assert alpha.grad is not None
    assert beta.grad is not None
    assert V.grad is not None
    rounding.descend(G, 0.01)
    moved = -rounding.V.sign()
    clear = V.grad.abs() > 1e-6
    assert torch.equal(moved[clear], V.grad.sign()[clear])
    for learned, gradient in ((rounding.alpha, alpha.grad), (rounding.beta, beta.grad)):
        sure = gradient.abs() > 1e-3
        assert float(((1 - learned).sign() == gradient.sign())[sure].float().mean()) > 0.95


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def model(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("OPTLAB_HOME", str(home))
    folder = home / request.param
    return load(str(folder if folder.exists() else tiny_model_folder(request.param, folder)), "float32", "cpu")


def recipe(**values: object) -> Recipe:
    return Recipe.from_dict({"steps": [{"quantize": {"method": "signround", "group_size": 16, **values}}]})


@torch.no_grad()
def block_error(model: LanguageModel, changed: LanguageModel, windows: Tensor) -> float:
    """Of the output of the first block, which both models feed with the same numbers."""
    walks = Walk(model, [windows]), Walk(changed, [windows])
    for walk in walks:
        walk.advance()
    return float(output_error(walks[1].states[0], walks[0].states[0]))


@pytest.mark.parametrize("model", FAMILIES, indirect=True)
def test_every_family_learns_to_round_better_than_to_nearest(model):
    learned = compress(model, recipe(bits=3, steps=24), PROTOCOL)
    plain = compress(model, recipe(method="rtn", clip="mse", bits=3), PROTOCOL)
    assert set(learned.stored) == set(model.linear_names())
    assert all(torch.equal(learned.model.weight(name), kept.dequantize()) for name, kept in learned.stored.items())
    assert not any(
        parameter.requires_grad
        for name, parameter in learned.model.module.named_parameters()
        if "weight" in name and name.removesuffix(".weight") in learned.stored
    )
    windows = torch.tensor(calibration_windows("shakespeare", model.tokenizer, 2048, 32, seed=5))
    assert block_error(model, learned.model, windows) < 0.9 * block_error(model, plain.model, windows)


@pytest.mark.parametrize("model", ["llama"], indirect=True)
def test_only_named_layers_change_and_pruned_weights_stay_zero(model):
    steps = [
        {"prune": {"method": "magnitude", "sparsity": 0.5}},
        {"quantize": {"method": "signround", "bits": 3, "group_size": 16, "steps": 4}, "layers": ".*mlp.*"},
    ]
    found = compress(model, Recipe.from_dict({"steps": steps}), PROTOCOL)
    quantized = {name for name, kept in found.stored.items() if isinstance(kept, QuantizedTensor)}
    assert quantized == {name for name in model.linear_names() if "mlp" in name}
    assert all(layer.sparsity >= 0.49 for layer in found.layers)


@pytest.mark.parametrize("model", ["llama"], indirect=True)
def test_the_same_seed_gives_the_same_codes(model):
    first, second = (compress(model, recipe(bits=3, steps=4), PROTOCOL) for _ in range(2))
    assert all(torch.equal(first.stored[name].codes, second.stored[name].codes) for name in first.stored)
