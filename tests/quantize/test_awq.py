"""AWQ: folds leave every family as it was, the search never loses to rounding, and the file needs nobody's help."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from optlab.calibrate.statistics import statistics
from optlab.errors import RecipeError
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.artefact import load_artefact, save
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.quantize.folding import folds
from tests.compressing import calibration_file, compressed, prune, quantize, tiny
from tests.tiny import FAMILIES, tiny_model_folder

IDS = torch.arange(4, 24).unsqueeze(0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("family", FAMILIES)
def test_scales_that_are_folded_change_weights_and_not_the_model(family, tmp_path):
    model = tiny(family, tmp_path, dtype="float32")
    changed = model.clone()
    found = folds(model)
    assert found
    generator = torch.Generator().manual_seed(1)
    for fold in found:
        width = model.weight(fold.readers[0]).shape[1]
        fold.apply(changed, torch.exp2(4 * torch.rand(width, generator=generator) - 2))
    readers = {name for fold in found for name in fold.readers}
    assert not any(torch.equal(changed.weight(name), model.weight(name)) for name in readers)
    assert relative(changed.logits(IDS), model.logits(IDS)) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [2, 4])
def test_readers_of_a_fold_never_lose_to_rounding_in_any_family(family, bits, tmp_path):
    """On the full range, where nothing but the scales differs; output errors are the report's."""
    model = tiny(family, tmp_path, dtype="float32")
    scaled, plain = (
        {
            layer.name: layer.output_error
            for layer in compressed(model, tmp_path, quantize(method=name, bits=bits, clip="minmax")).layers
        }
        for name in ("awq", "rtn")
    )
    seen = statistics(model, calibration_file(tmp_path), 512, 32)
    gained = []
    for fold in folds(model):
        energy = {name: float(((W := model.weight(name)) @ seen.gram(name) * W).sum()) for name in fold.readers}
        ours, theirs = (sum(error[name] ** 2 * energy[name] for name in energy) for error in (scaled, plain))
        # Scales of groups are stored in 16 bits, which is the last digits of either.
        assert ours <= 1.01 * theirs
        gained.append(ours / theirs)
    assert min(gained) < 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_quantized_better_than_by_rounding_and_comes_back_from_disk(family, tmp_path):
    model = tiny(family, tmp_path)
    found = compressed(model, tmp_path, quantize(method="awq", bits=3))
    plain = compressed(model, tmp_path, quantize(method="rtn", bits=3))
    assert set(found.stored) == set(model.linear_names())
    assert all(torch.equal(found.model.weight(name), kept.dequantize()) for name, kept in found.stored.items())
    error, theirs = (sum(layer.output_error for layer in part.layers) for part in (found, plain))
    assert error < theirs
    save(found, tmp_path / "artefact")
    assert torch.equal(load_artefact(tmp_path / "artefact").model.logits(IDS), found.model.logits(IDS))


def with_loud_channels(folder: Path) -> LanguageModel:
    """A tiny Llama in which two channels after each norm are 30 times louder, and everything that reads them uses
    weights like any other: they decide the output."""
    tiny_model_folder("llama", folder)
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if "layernorm" in name]:
        tensors[name][[3, 17]] *= 30
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return load(str(folder))


def test_columns_of_loud_inputs_are_scaled_up_and_their_error_shrinks(tmp_path):
    model = with_loud_channels(tmp_path / "loud")
    scaled = compressed(model, tmp_path, quantize(method="awq", bits=3, clip="minmax"))
    plain = compressed(model, tmp_path, quantize(method="rtn", bits=3, clip="minmax"))
    readers = [name for fold in folds(model) if "norm" in fold.source for name in fold.readers]
    errors = ({layer.name: layer.output_error for layer in part.layers} for part in (scaled, plain))
    ours, theirs = (sum(error[name] for name in readers) for error in errors)
    assert ours < theirs / 2
    for fold in (fold for fold in folds(model) if "norm" in fold.source):
        before, after = (part.module_named(fold.source).weight for part in (model, scaled.model))
        s = before / after
        assert set(s.topk(2).indices.tolist()) == {3, 17}


def test_inputs_of_one_size_leave_plain_rounding(tmp_path):
    """s = (mean |x|)^a is then one number for all, and one number for all is no scale."""
    from optlab.quantize.awq import _balanced

    torch.testing.assert_close(_balanced(torch.full((8,), 0.3) ** 0.7), torch.ones(8))
    s = _balanced(torch.tensor([1.0, 4.0, 16.0]))
    assert s.tolist() == [0.25, 1.0, 4.0]


def test_plain_transformers_reads_the_folder_and_gives_the_same_logits(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("compressed_tensors")
    model = tiny("llama", tmp_path)
    found = compressed(model, tmp_path, quantize(method="awq", bits=4))
    save(found, tmp_path / "artefact")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "artefact", dtype=torch.float32)
    with torch.no_grad():
        assert relative(theirs(IDS).logits, found.model.logits(IDS)) < 1e-3


def test_layers_whose_inputs_come_from_nowhere_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(RecipeError, match="use gptq or rtn"):
        compressed(tiny("llama", tmp_path), tmp_path, quantize(".*o_proj", method="awq"))


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_embedding_and_head_are_quantized_when_named(family, tmp_path):
    model = tiny(family, tmp_path)
    found = compressed(model, tmp_path, quantize(".*", method="awq", bits=8))
    ends = {model.structure.embedding} | (set() if model.structure.tied else {model.structure.head})
    assert set(found.stored) == ends | set(model.linear_names())
    assert relative(found.model.logits(IDS), model.logits(IDS)) < 0.02


def test_only_whole_folds_are_scaled_and_pruned_weights_stay_zero(tmp_path):
    """The norm is read by q, k and v: where only q and k are treated, it must stay as it was."""
    model = tiny("llama", tmp_path, dtype="float32")
    layers = ".*(q_proj|k_proj|gate_proj|up_proj)"
    steps = prune(method="magnitude", sparsity=0.5), quantize(layers, method="awq", bits=4)
    found = compressed(model, tmp_path, *steps)
    for prefix, block in found.model.blocks():
        before = dict(model.blocks())[prefix]
        assert torch.equal(block.input_layernorm.weight, before.input_layernorm.weight)
        assert not torch.equal(block.post_attention_layernorm.weight, before.post_attention_layernorm.weight)
    treated = {name for name, kept in found.stored.items() if isinstance(kept, QuantizedTensor)}
    assert treated == {name for name in model.linear_names() if name.rsplit(".", 1)[1] in layers}
    assert all(layer.sparsity >= 0.49 for layer in found.layers)


def test_awq_after_awq_scales_from_the_original(tmp_path):
    """A second time on what is still dense must count what the first time has moved."""
    model = tiny("opt", tmp_path, dtype="float32")
    first = quantize(".*(q_proj|k_proj|v_proj)", method="awq", bits=8)
    second = quantize(".*out_proj|.*fc.", method="awq", bits=8)
    found = compressed(model, tmp_path, first, second)
    assert set(found.stored) == set(model.linear_names())
    assert relative(found.model.logits(IDS), model.logits(IDS)) < 0.02
