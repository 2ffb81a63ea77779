"""SmoothQuant: the migrated scales are equation 4, the model stays the same, and outliers stop to hurt."""

from pathlib import Path

import pytest
import torch

from optlab.calibrate.statistics import statistics
from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.methods import method
from optlab.models import load
from optlab.models.inputs import input_formats
from optlab.models.language_model import LanguageModel
from optlab.quantize.folding import folds
from tests.compressing import Step, calibration_file, compressed, tiny
from tests.tiny import FAMILIES, tiny_model_folder

IDS = torch.arange(4, 24).unsqueeze(0)


def step(name: str = "smoothquant", **values: object) -> Step:
    return {"quantize": {"method": name, **values}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def with_outliers(folder: Path) -> LanguageModel:
    """A tiny Llama whose norms make two channels 60 times larger, which the layers that read them undo."""
    from safetensors.torch import load_file, save_file

    tiny_model_folder("llama", folder)
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if "layernorm" in name]:
        tensors[name][[3, 17]] *= 60
        block = name.rsplit(".", 2)[0]
        inner = "self_attn" if "input" in name else "mlp"
        for layer in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"):
            if f"{block}.{inner}.{layer}.weight" in tensors:
                tensors[f"{block}.{inner}.{layer}.weight"][:, [3, 17]] /= 60
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return load(str(folder))


def error(model: LanguageModel, folder: Path, *steps: Step) -> float:
    exact = model.logits(IDS)
    return ((compressed(model, folder, *steps).model.logits(IDS) - exact).norm() / exact.norm()).item()


def test_half_migrated_channels_are_as_large_in_the_activations_as_in_the_weights(tmp_path):
    """With alpha 1/2, both become sqrt(max|X| max|W|)."""
    model = tiny("llama", tmp_path, dtype="float32")
    smooth = compressed(model, tmp_path, step(alpha=0.5)).model
    text = calibration_file(tmp_path)
    before = statistics(model, text, 512, 32)
    found = folds(model)
    alone = [fold for fold in found if not {other.source for other in found}.intersection(fold.readers)]
    assert alone
    for fold in alone:
        X = before.absmax(fold.readers[0])
        W = torch.stack([model.weight(name).abs().amax(0) for name in fold.readers]).amax(0)
        after = torch.stack([smooth.weight(name).abs().amax(0) for name in fold.readers]).amax(0)
        torch.testing.assert_close(after, (X * W).sqrt(), rtol=0.02, atol=0.01)


@pytest.mark.parametrize("activations", ["token", "tensor"])
def test_outliers_hurt_rounding_and_smoothing_heals_it(activations, tmp_path):
    model = with_outliers(tmp_path / "outliers")
    plain = error(model, tmp_path, step("dynamic"))
    assert error(model, tmp_path, step(activations=activations, alpha=0.5)) < plain / 2


def test_alpha_0_hands_all_differences_of_columns_to_the_activations(tmp_path):
    """s_j = 1 / max|W_j|."""
    model = tiny("llama", tmp_path, dtype="float32")
    smooth = compressed(model, tmp_path, step(alpha=0.0)).model
    assert len(folds(model)) >= 4, "both norms of both blocks"
    for fold in folds(model):
        largest = torch.stack([smooth.weight(name).abs().amax(0) for name in fold.readers]).amax(0)
        torch.testing.assert_close(largest, torch.ones_like(largest), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_smoothed_or_says_why_not(family, tmp_path):
    model = tiny(family, tmp_path)
    if not folds(model):
        with pytest.raises(RecipeError, match="use dynamic"):
            compressed(model, tmp_path, step())
        return
    result = compressed(model, tmp_path, step())
    assert error(model, tmp_path, step()) < 0.1
    save(result, tmp_path / "artefact")
    assert torch.equal(load_artefact(tmp_path / "artefact").model.logits(IDS), result.model.logits(IDS))


def test_one_scale_for_all_tokens_covers_the_calibration_text(tmp_path):
    model = tiny("llama", tmp_path, dtype="float32")
    result = compressed(model, tmp_path, step(activations="tensor"))
    found = statistics(model, calibration_file(tmp_path), 512, 32)
    readers = {name for fold in folds(model) for name in fold.readers}
    assert set(input_formats(result.model.module)) == set(model.linear_names())
    assert set(model.linear_names()) - readers, "none is read as it was"
    for name, chosen in input_formats(result.model.module).items():
        assert chosen.scale is not None
        if name not in readers:  # read as it was
            assert chosen.scale * 127 == pytest.approx(float(found.absmax(name).max()))


def test_description():
    found = method("quantize", "smoothquant")
    assert found.describe(found.check({})) == "smoothquant W8A8"
