"""QAT: gradients pass the rounding unchanged, the stored weight is what was trained, and training pays."""

import time
from pathlib import Path

import pytest
import torch

from optlab.compression import compress
from optlab.errors import Cancelled, RecipeError
from optlab.evaluation.perplexity import perplexity
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.artefact import load_artefact, save
from optlab.models import load
from optlab.models.optimizer import AdamW
from optlab.protocol import Protocol
from optlab.quantize.straight_through import Shadow, StraightThrough
from optlab.recipes import Recipe
from optlab.texts import evaluation_tokens
from tests.compressing import Step, calibration_file, compressed, prune, quantize, step_of, tiny
from tests.tiny import FAMILIES

IDS = torch.arange(4, 24).unsqueeze(0)


def qat(**values: object) -> Step:
    return {"quantize": {"method": "qat", "group_size": 16, "steps": 3, "batch": 2, "window": 16, **values}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_float_weight_moves_by_the_gradient_at_the_rounded_one(family, tmp_path):
    """One step of the loss sum(C * W): AdamW on the float weight with gradient C, as if nothing were rounded."""
    model = tiny(family, tmp_path)
    name = model.linear_names()[0]
    W = model.weight(name).clone()
    C = torch.randn(W.shape, generator=torch.Generator().manual_seed(0))
    optimizer = StraightThrough(model, {name: Shadow.of(W, 2, "integer", 16, search=False)}, 1e-2)
    optimizer.round()
    rounded = QuantizedTensor.of(W, minmax(in_groups(W, 16), 2, "integer"), 16).dequantize()
    assert torch.equal(model.weight(name), rounded)
    weight = model.module_named(name).weight
    (weight * (C.T if family == "gpt2" else C)).sum().backward()
    optimizer.step()
    expected = W.clone().requires_grad_(True)
    plain = AdamW([expected], 1e-2, weight_decay=0.0)
    expected.grad = C.clone()
    plain.step()
    torch.testing.assert_close(model.weight(name), expected.detach())
    assert not torch.equal(model.weight(name), W)


def test_what_the_grid_cuts_off_gets_no_gradient():
    """Levels from -7 to 8 in steps of 1: only a weight beyond -7.5 or 8.5 is not met by half a step."""
    W = torch.tensor([[-9.0, -8.4, -1.0, 0.0, 3.2, 7.4, 7.6, 11.0]])
    shadow = Shadow.of(W, 4, "integer", None, search=False)
    shadow.share = torch.tensor([[0.75]])  # from -6.75 to 8.25 in 15 steps of 1, moved to where 0 is a level
    assert torch.equal(shadow.grid().scale, torch.tensor([[1.0]], dtype=torch.float16))
    assert shadow.cut_off().tolist() == [[True, True, False, False, False, False, False, True]]


def test_ranges_follow_the_weights():
    W = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    shadow = Shadow.of(W, 3, "none", 16, search=True)
    before = shadow.grid().scale.float()
    shadow.W.mul_(2)
    torch.testing.assert_close(shadow.grid().scale.float(), 2 * before, rtol=1e-3, atol=0)
    full = minmax(in_groups(W, 16), 3, "none").scale.float()
    assert (before <= full).all()
    assert (before < 0.95 * full).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_trained_and_stored(family, tmp_path):
    model = tiny(family, tmp_path)
    before = {name: parameter.clone() for name, parameter in model.module.named_parameters()}
    result = compressed(model, tmp_path, qat(bits=3))
    assert all(isinstance(stored, QuantizedTensor) and stored.bits == 3 for stored in result.stored.values())
    assert list(result.stored) == model.linear_names()
    for name, parameter in model.module.named_parameters():
        assert torch.equal(parameter, before[name]), "the model that was given has changed"
    touched = {f"{name}.weight" for name in result.stored}
    for name, parameter in result.model.module.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in touched), name
    save(result, tmp_path / "artefact")
    assert torch.equal(load_artefact(tmp_path / "artefact").model.logits(IDS), result.model.logits(IDS))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_training_brings_the_model_closer_to_its_goal(alpha, tmp_path):
    model = tiny("llama", tmp_path)
    rounded = compressed(model, tmp_path, quantize(bits=2, clip="mse"))
    step = qat(bits=2, steps=60, batch=8, alpha=alpha, learning_rate=2e-3)
    trained = compressed(model, tmp_path, step)
    text = Path(calibration_file(tmp_path)).read_text(encoding="utf-8")
    ids = torch.tensor(model.tokenizer.encode(text)[:960]).view(-1, 32)

    def loss(candidate) -> float:
        logits = candidate.model.logits(ids).log_softmax(-1).flatten(0, 1)
        wanted = model.logits(ids).log_softmax(-1).flatten(0, 1)
        hard = torch.nn.functional.nll_loss(logits.view(*ids.shape, -1)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        soft = torch.nn.functional.kl_div(logits, wanted, reduction="batchmean", log_target=True)
        return (alpha * hard + (1 - alpha) * soft).item()

    assert loss(trained) < 0.8 * loss(rounded)


def test_pruned_weights_stay_zero(tmp_path):
    model = tiny("llama", tmp_path)
    sparse = compressed(model, tmp_path, prune(sparsity=0.5))
    result = compressed(model, tmp_path, prune(sparsity=0.5), qat(bits=3))
    for name in model.linear_names():
        assert (result.model.weight(name)[sparse.model.weight(name) == 0] == 0).all()
    with pytest.raises(RecipeError, match="use integer"):
        compressed(model, tmp_path, prune(sparsity=0.5), qat(zero_point="float"))


def test_a_masked_model_has_no_true_text(tmp_path):
    with pytest.raises(RecipeError, match="use alpha 0"):
        compressed(tiny("bert", tmp_path), tmp_path, qat(alpha=0.5))


def test_it_reports_every_step_and_can_be_stopped(tmp_path):
    model = tiny("llama", tmp_path)
    seen = []

    def stop(fraction, message, partial=None):
        if step_of(message):
            seen.append(step_of(message))
            if len(seen) == 2:
                raise Cancelled

    protocol = Protocol(calibration=calibration_file(tmp_path), calibration_tokens=512, context=32)
    with pytest.raises(Cancelled):
        compress(model, Recipe.from_dict({"steps": [qat(steps=50)]}), protocol, stop)
    assert seen == [1, 2]


@pytest.mark.slow
def test_nano_at_3_bits_gains_from_training_within_a_minute(tmp_path):
    model = load("nano", "float32", "cpu")
    ids = evaluation_tokens("shakespeare", model.tokenizer, 8192)
    protocol = Protocol(text="shakespeare", calibration="shakespeare")

    def after(**values: object) -> float:
        recipe = Recipe.from_dict({"steps": [{"quantize": {"bits": 3, "group_size": 64, **values}}]})
        began = time.perf_counter()
        result = compress(model, recipe, protocol)
        print(f"{recipe.describe()}: {time.perf_counter() - began:.1f} s")
        return perplexity(result.model, ids, 256).ppl

    assert after(method="qat") < after(method="rtn", clip="mse")
