"""Comparing a file of another tool with its original: the figures are those of transformers on the same weights."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import optlab
from optlab import paths
from optlab.client.client import Client
from optlab.compression import Compressed
from optlab.errors import ModelError
from optlab.jobs import model_cache
from optlab.jobs.comparison import COMPARISON
from optlab.kernels.runtime import runtime
from optlab.models.as_stored import packed_codes
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.comparison import Comparison
from optlab.store.store import Store
from optlab.texts import evaluation_passage
from tests.models.quantized.packing import awq, gptq, write

NANO = paths.ASSETS / "nano"
TOKENS, CONTEXT = 1024, 128


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    model_cache.forget()


def compared(other: Path | str, **settings: object) -> Comparison:
    chosen = {"tokens": TOKENS, "context": CONTEXT, "dtype": "float32", "latency": False, **settings}
    return optlab.compare("nano", str(other), **chosen)


@torch.inference_mode()
def perplexity_in_transformers(folder: Path, weights: dict[str, torch.Tensor] | None = None) -> float:
    """The same windows read by transformers' class, with other weights put in."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if weights is not None:
        model.load_state_dict({name: W.float() for name, W in weights.items()}, strict=False)
    nano = optlab.load("nano")
    ids = evaluation_passage("shakespeare", nano.tokenizer, TOKENS, CONTEXT, nano.framing()).ids
    windows = torch.tensor(ids[: len(ids) // CONTEXT * CONTEXT]).view(-1, CONTEXT)
    logits = model(input_ids=windows).logits[:, :-1].flatten(0, 1)
    return math.exp(float(torch.nn.functional.cross_entropy(logits, windows[:, 1:].flatten())))


def test_a_gptq_folder_has_the_perplexity_of_transformers_with_its_weights(tmp_path: Path) -> None:
    settings = {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": False}
    meant = write(NANO, tmp_path / "gptq", settings, lambda W: gptq(W, 4, 64))
    found = compared(tmp_path / "gptq")
    assert found.compressed.ppl == pytest.approx(perplexity_in_transformers(NANO, meant), rel=1e-3)
    assert found.baseline.ppl == pytest.approx(perplexity_in_transformers(NANO), rel=1e-3)
    assert found.delta.ppl_ratio == pytest.approx(found.compressed.ppl / found.baseline.ppl)
    assert found.compressed.size_bytes == (tmp_path / "gptq" / "model.safetensors").stat().st_size
    W = load_file(NANO / "model.safetensors")
    for layer in found.layers:
        original, now = W[f"{layer.name}.weight"].float(), meant[f"{layer.name}.weight"]
        assert layer.weight_error == pytest.approx(float((now - original).norm() / original.norm()), rel=1e-2)
        # 4 bits, 16 of scale and 4 of zero point for 64 weights, and 32 bits of g_idx for every input
        assert layer.bits_other == pytest.approx(4 + 20 / 64 + 32 / len(original))
    assert found.unmatched == 0


@pytest.mark.slow
def test_an_awq_folder_has_the_perplexity_of_transformers_with_its_weights(tmp_path: Path) -> None:
    meant = write(NANO, tmp_path / "awq", {"quant_method": "awq", "bits": 4}, lambda W: awq(W, 64))
    assert compared(tmp_path / "awq").compressed.ppl == pytest.approx(perplexity_in_transformers(NANO, meant), rel=1e-3)


def test_our_own_saved_folder_is_what_plain_transformers_reads(tmp_path: Path) -> None:
    """Once as an artefact, which is read back exactly, and once as a folder of compressed-tensors like any other."""
    folder = optlab.export("nano", tmp_path / "saved", {"quantize": {"bits": 4, "group_size": 64}})
    truth = perplexity_in_transformers(folder)
    artefact = compared(folder)
    assert artefact.compressed.ppl == pytest.approx(truth, rel=1e-3)
    plain = shutil.copytree(folder, tmp_path / "plain", ignore=shutil.ignore_patterns("optlab.json"))
    other = compared(plain)
    assert other.compressed.ppl == pytest.approx(truth, rel=1e-3)
    assert [layer.name for layer in other.layers] == [layer.name for layer in artefact.layers]


def test_nano_as_gguf_is_nano(tmp_path: Path) -> None:
    found = compared(optlab.export("nano", tmp_path / "nano.gguf"))
    assert found.compressed.ppl == pytest.approx(found.baseline.ppl, rel=1e-3)
    assert found.delta.kl_mean < 1e-4
    assert found.compressed.size_bytes == (tmp_path / "nano.gguf").stat().st_size


def padded(folder: Path, rows: int) -> Path:
    """nano with more rows in its embedding, of large numbers, so that whoever counts them is found out."""
    shutil.copytree(NANO, folder)
    tensors = load_file(folder / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        if name in tensors:
            tensors[name] = torch.cat((tensors[name], tensors[name].new_full((rows, tensors[name].shape[1]), 0.3)))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = folder / "config.json"
    size = load_file(NANO / "model.safetensors")["model.embed_tokens.weight"].shape[0]
    config.write_text(config.read_text().replace(f'"vocab_size": {size}', f'"vocab_size": {size + rows}'))
    return folder


def test_rows_of_padding_are_left_out_of_the_comparison(tmp_path: Path) -> None:
    found = compared(padded(tmp_path / "padded", 64))
    assert found.delta.nll == pytest.approx(0.0, abs=1e-6)
    assert found.delta.kl_mean == pytest.approx(0.0, abs=1e-6)
    assert found.vocabulary == optlab.load("nano").description.vocabulary
    assert any("rows" in note for note in found.notes)


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(NANO, tmp_path / "other")
    written = (folder / "tokenizer.json").read_text()
    assert '"Ġthe"' in written
    (folder / "tokenizer.json").write_text(written.replace('"Ġthe"', '"Ġxyzzy"').replace('"Ġ the"', '"Ġ xyzzy"'))
    with pytest.raises(ModelError, match="tokenizer"):
        compared(folder)


def test_a_comparison_is_computed_once(tmp_path: Path) -> None:
    client = Client(Store(f"sqlite:///{tmp_path / 'runs.db'}"))
    protocol = Protocol(tokens=TOKENS, context=CONTEXT, latency=False)
    assert client.find_comparison("nano", str(NANO), protocol) is None
    run = client.submit_comparison("nano", str(NANO), protocol)
    assert client.submit_comparison("nano", str(NANO), protocol).id == run.id
    assert client.find_comparison("nano", str(NANO), protocol).id == run.id  # type: ignore[union-attr]
    more = client.submit_comparison("nano", str(NANO), protocol.model_copy(update={"tokens": 2048}))
    assert more.id != run.id
    assert COMPARISON.spec_of(run).other == str(NANO)


@pytest.mark.parametrize("which", ["gptq", "awq"])
def test_codes_of_another_tool_run_in_the_packed_kernels_as_they_are(which: str, tmp_path: Path) -> None:
    settings: dict[str, object] = {"quant_method": which, "bits": 4, "group_size": 64}
    meant = write(NANO, tmp_path / which, settings, lambda W: gptq(W, 4, 64) if which == "gptq" else awq(W, 64))
    stored = packed_codes(tmp_path / which)
    assert {f"{name}.weight" for name in stored} == {name for name in meant if name.endswith("_proj.weight")}
    for name, codes in stored.items():
        assert torch.equal(codes.dequantize(), meant[f"{name}.weight"])
    model = optlab.load(str(tmp_path / which))
    packed = runtime(Compressed(model, dict(stored), [], Recipe(), 0.0), "bfloat16")
    assert "int4" in packed.path
    ids = model.tokenizer.encode("ROMEO:\nBut soft, what light through yonder window breaks?")
    packed.reset()
    found, dense = packed.prefill(ids).float(), model.logits(torch.tensor([ids]))[0, -1].detach()
    assert float((found - dense).norm() / dense.norm()) < 0.05  # what bfloat16 does to nano


@torch.inference_mode()
def test_the_error_of_outputs_is_that_of_transformers_layers_with_the_originals_inputs(tmp_path: Path) -> None:
    settings = {"quant_method": "gptq", "bits": 3, "group_size": 64, "desc_act": False}
    meant = write(NANO, tmp_path / "gptq", settings, lambda W: gptq(W, 3, 64))
    found = {layer.name: layer.output_error for layer in compared(tmp_path / "gptq").layers}
    model = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
    inputs: dict[str, torch.Tensor] = {}
    modules = {name: module for name, module in model.named_modules() if name in found}
    for name, module in modules.items():
        module.register_forward_pre_hook(lambda _, args, name=name: inputs.update({name: args[0].flatten(0, 1)}))
    nano = optlab.load("nano")
    ids = evaluation_passage("shakespeare", nano.tokenizer, TOKENS, CONTEXT, nano.framing()).ids
    model(input_ids=torch.tensor(ids).view(-1, CONTEXT), use_cache=False)
    assert found.keys() == modules.keys()
    for name, module in modules.items():
        x, W, changed = inputs[name], module.weight, meant[f"{name}.weight"].float()
        assert found[name] == pytest.approx(float((x @ (changed - W).T).norm() / (x @ W.T).norm()), rel=1e-3), name


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True], ids=["floats", "codes"])
def test_both_sides_are_timed_and_their_memory_is_measured(packed: bool, tmp_path: Path) -> None:
    other: Path | str = "nano"
    if packed:
        other = tmp_path / "gptq"
        write(NANO, other, {"quant_method": "gptq", "bits": 4, "group_size": 64}, lambda W: gptq(W, 4, 64))
    found = compared(other, latency=True, dtype="bfloat16")
    assert found.latency is not None
    assert ("int4" in found.latency.candidate.path) is packed
    assert found.delta.decode_speedup is not None
    for side in (found.baseline, found.compressed):
        assert side.peak_rss_bytes is not None
        assert side.peak_rss_bytes > 100e6
    assert not list(paths.folder("artefacts").iterdir())


@pytest.mark.slow
def test_the_floats_of_the_catalog_count_as_floats() -> None:
    found = compared("nano")
    assert found.delta.ppl_ratio == 1.0
    assert {layer.weight_error for layer in found.layers} == {0.0}
    assert {layer.output_error for layer in found.layers} == {0.0}
    assert found.baseline.size_bytes == found.compressed.size_bytes == (NANO / "model.safetensors").stat().st_size
