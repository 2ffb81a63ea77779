"""Gradients of a calibration text: against central differences of the loss, in every family, and from the cache."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from optlab import paths
from optlab.calibrate.gradients import gradients, loss, mean_abs_gradients, mean_gradients
from optlab.models import load
from tests.compressing import calibration_file, tiny
from tests.tiny import FAMILIES, tiny_model_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", ["opt", "gpt2"])
def test_a_gradient_is_the_slope_of_the_loss(family, tmp_path):
    model = load(str(tiny_model_folder(family, tmp_path / family)))
    model.module.double()
    windows = [[5, 9, 77, 31, 8, 60], [12, 40, 41, 3, 90, 9]]
    name = model.linear_names()[-1]
    found = mean_abs_gradients(model, windows)[name]
    W, step = model.weight(name), 1e-5
    for place in ((0, 0), (3, 7), (31, 40)):
        slopes = []
        for window in windows:
            ids = torch.tensor([window])
            with torch.no_grad():
                original = float(W[place])
                W[place] = original + step
                above = F.cross_entropy(model.logits(ids)[0, :-1], ids[0, 1:])
                W[place] = original - step
                below = F.cross_entropy(model.logits(ids)[0, :-1], ids[0, 1:])
                W[place] = original
            slopes.append(abs(float(above - below)) / (2 * step))
        assert float(found[place]) == pytest.approx(sum(slopes) / 2, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_small_change_of_all_weights_moves_the_loss_by_its_product_with_the_mean_gradient(family, tmp_path):
    model = load(str(tiny_model_folder(family, tmp_path / family)))
    model.module.double()
    windows = [[5, 9, 77, 31, 8, 60], [12, 40, 41, 3, 90, 9]]
    names = model.linear_names()
    found = mean_gradients(model, windows, names)
    generator = torch.Generator().manual_seed(0)
    change = {name: torch.randn(model.weight(name).shape, generator=generator).double() for name in names}

    def moved(step):
        for name in names:
            model.set_weight(name, model.weight(name) + step * change[name])
        with torch.no_grad():
            return float(sum(loss(model, torch.tensor([window]), generator) for window in windows) / 2)

    above = moved(1e-5)
    slope = (above - moved(-2e-5)) / 2e-5
    products = torch.stack([(found[name] * change[name]).sum() for name in names])
    assert slope == pytest.approx(float(products.sum()), abs=0.01 * float(products.norm()))  # kept in bfloat16
    assert all(p.grad is None for p in model.module.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_them_and_is_left_as_it_was(family, tmp_path):
    model = tiny(family, tmp_path)
    before = {name: p.requires_grad for name, p in model.module.named_parameters()}
    found = mean_abs_gradients(model, [list(range(4, 20))])
    assert list(found) == model.linear_names()
    for name, G in found.items():
        assert G.shape == model.weight(name).shape
        assert bool(G.isfinite().all()) and float(G.sum()) > 0
    assert {name: p.requires_grad for name, p in model.module.named_parameters()} == before
    assert all(p.grad is None for p in model.module.parameters())


def test_a_masked_model_fills_in_masked_tokens(tmp_path):
    model = tiny("bert", tmp_path)
    ids = torch.arange(4, 44).unsqueeze(0)
    hidden = torch.rand(1, 40, generator=torch.Generator().manual_seed(3)) < 0.15
    masked = ids.masked_fill(hidden, model.tokenizer.special_id("mask"))
    expected = -model.logits(masked).log_softmax(-1)[hidden, :].gather(1, ids[hidden].unsqueeze(1)).mean()
    found = loss(model, ids, torch.Generator().manual_seed(3))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_second_time_nothing_is_computed_and_a_damaged_file_is_computed_again(tmp_path):
    model, text = tiny("llama", tmp_path), calibration_file(tmp_path)
    seen: list[str] = []

    def note(fraction: float, message: str, partial: object = None) -> None:
        seen.append(message)

    first = gradients(model, text, 256, 32, progress=note)
    assert seen
    seen.clear()
    again = gradients(model, text, 256, 32, progress=note)
    assert not seen
    name = model.linear_names()[0]
    assert torch.equal(first.mean_abs(name), again.mean_abs(name))
    (file,) = paths.folder("calibration").glob("gradients-*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(gradients(model, text, 256, 32, progress=note).mean_abs(name), again.mean_abs(name))
    assert seen
    with pytest.raises(KeyError):
        again.mean_abs("lm_head")
