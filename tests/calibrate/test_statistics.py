"""Statistics against a direct computation, in every family; and a cache that is shared, lazy, and repairs itself."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from optlab import paths, texts
from optlab.calibrate import statistics as room
from optlab.calibrate.statistics import Statistics, statistics
from optlab.errors import Cancelled, MeasurementError, ModelError, TextError
from optlab.models.language_model import LanguageModel
from tests.compressing import calibration_file, tiny
from tests.tiny import FAMILIES

TOKENS, CONTEXT = 3072, 32


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def inputs_of(model: LanguageModel, text: str) -> dict[str, torch.Tensor]:
    """What reaches every linear layer and the head when the model reads all windows at once: [tokens, in], float64."""
    ids = torch.tensor(texts.calibration_windows(text, model.tokenizer, TOKENS, CONTEXT, 0))
    seen: dict[str, torch.Tensor] = {}

    def hook(name: str):
        return lambda module, args: seen.update({name: args[0].detach().flatten(0, -2).double()})

    handles = [model.module_named(n).register_forward_pre_hook(hook(n)) for n in model.linear_names()]
    with torch.no_grad():
        model.logits(ids)
        seen[model.structure.head] = model.hidden(ids).flatten(0, -2).double()
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_statistics_equal_a_direct_computation(family, tmp_path):
    model, text = tiny(family, tmp_path), calibration_file(tmp_path)
    found = statistics(model, text, TOKENS, CONTEXT)
    assert found.tokens == TOKENS
    direct = inputs_of(model, text)
    assert set(model.linear_names()) < set(direct)
    for name, X in direct.items():
        assert X.shape[0] == TOKENS
        for what, expected in (
            (found.gram(name), X.T @ X / TOKENS),
            (found.mean(name), X.mean(0)),
            (found.mean_abs(name), X.abs().mean(0)),
            (found.absmax(name), X.abs().amax(0)),
        ):
            assert what.dtype == torch.float32
            assert (what - expected).abs().max() < 1e-4 * expected.abs().max(), name


def test_layers_of_one_input_share_one_matrix(tmp_path):
    found = statistics(tiny("llama", tmp_path), calibration_file(tmp_path), 512, CONTEXT)
    block = "model.layers.1"
    q, k, v, o = (f"{block}.self_attn.{leaf}_proj" for leaf in "qkvo")
    gate, up, down = (f"{block}.mlp.{leaf}_proj" for leaf in ("gate", "up", "down"))
    assert found.shared_with(q) == found.shared_with(k) == found.shared_with(v)
    assert found.shared_with(gate) == found.shared_with(up)
    assert len({found.shared_with(name) for name in (q, o, gate, down)}) == 4


def test_a_second_call_reads_the_cache_and_another_setting_does_not(tmp_path, monkeypatch):
    model, text = tiny("llama", tmp_path), calibration_file(tmp_path)
    first = statistics(model, text, 512, CONTEXT)
    passes = []
    real = room.gather
    monkeypatch.setattr(room, "gather", lambda *args: passes.append(1) or real(*args))
    again = statistics(model, text, 512, CONTEXT)
    assert again.folder == first.folder
    assert not passes
    others = [statistics(model, text, 1024, CONTEXT), statistics(model, text, 512, 16)]
    others.append(statistics(tiny("llama", tmp_path / "other", seed=1), text, 512, CONTEXT))
    assert len({first.folder, *(other.folder for other in others)}) == 4
    assert len(passes) == 3


@pytest.mark.parametrize("damage", ["truncated", "missing", "index", "emptied"])
def test_a_damaged_cache_is_computed_again(damage, tmp_path):
    model, text = tiny("llama", tmp_path), calibration_file(tmp_path)
    before = statistics(model, text, 512, CONTEXT)
    name = model.linear_names()[0]
    gram = before.gram(name)
    file = before.folder / "block-0000.safetensors"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "missing":
        file.unlink()
    elif damage == "index":
        (before.folder / "index.json").write_text("{")
    else:
        (before.folder / "index.json").write_text("{}")
    assert torch.equal(statistics(model, text, 512, CONTEXT).gram(name), gram)


@pytest.mark.parametrize("thrown_away", [True, False])
def test_statistics_that_vanish_or_change_while_they_are_used_are_one_sentence(thrown_away, tmp_path):
    model = tiny("llama", tmp_path)
    found = statistics(model, calibration_file(tmp_path), 512, CONTEXT)
    if thrown_away:
        shutil.rmtree(found.folder)
    else:
        (found.folder / "block-0000.safetensors").write_bytes(b"no longer")
    with pytest.raises(ModelError, match="while they were used"):
        found.gram(model.linear_names()[0])


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(tensors, file, **more):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(room, "save_file", full)
    with pytest.raises(MeasurementError, match=r"cannot be kept in .*: the disk is full"):
        statistics(tiny("llama", tmp_path), calibration_file(tmp_path), 512, CONTEXT)


def test_a_cancelled_pass_leaves_nothing(tmp_path):
    def cancel(fraction: float, message: str, partial: object = None) -> None:
        if fraction > 0.3:
            raise Cancelled("stop")

    model, text = tiny("llama", tmp_path), calibration_file(tmp_path)
    with pytest.raises(Cancelled):
        statistics(model, text, 512, CONTEXT, progress=cancel)
    assert list(paths.folder("calibration").iterdir()) == []


def test_tensors_are_read_one_by_one(tmp_path):
    model, text = tiny("llama", tmp_path), calibration_file(tmp_path)
    found = Statistics(statistics(model, text, 512, CONTEXT).folder)
    last = model.linear_names()[-1]
    (found.folder / "block-0000.safetensors").unlink()
    assert found.gram(last).shape == (64, 64)
    with pytest.raises(KeyError):
        found.gram("no.such.layer")
    assert "no.such.layer" not in found


def test_too_short_a_text_says_both_counts(tmp_path):
    model, text = tiny("llama", tmp_path), calibration_file(tmp_path)
    with pytest.raises(TextError, match="are needed"):
        statistics(model, text, 10_000_000, CONTEXT)


def test_a_pass_leaves_the_model_as_it_was(tmp_path):
    model, text = tiny("gpt2", tmp_path), calibration_file(tmp_path)
    ids = torch.arange(4, 24).unsqueeze(0)
    with torch.no_grad():
        before = model.logits(ids)
        statistics(model, text, 512, CONTEXT)
        assert torch.equal(model.logits(ids), before)
    assert not any(module._forward_pre_hooks for module in model.module.modules())
