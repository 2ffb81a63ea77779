"""One pass over the weights gives what a model in memory gives: the same file and the same figures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab.compression import compress
from optlab.errors import Cancelled, ModelError, RecipeError
from optlab.evaluation.compare import compare
from optlab.i18n import said
from optlab.kernels.artefact import load_artefact
from optlab.models import load
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.streaming import stream
from optlab.texts import evaluation_passage
from tests.compressing import calibration_file, prune, quantize
from tests.tiny import tiny_model_folder

STEPS: dict[str, list[dict[str, Any]]] = {
    "rtn": [quantize(method="rtn", bits=4)],
    "gptq": [quantize(method="gptq", bits=3)],
    "gptq sequential": [quantize(method="gptq", bits=3, sequential=True)],
    "awq": [quantize(method="awq", bits=3)],
    "hqq": [quantize(method="hqq", bits=3)],
    "nf4": [quantize(method="nf4")],
    "fp8": [{"quantize": {"method": "fp8"}}],
    "dynamic": [{"quantize": {"method": "dynamic"}}],
    "smoothquant": [{"quantize": {"method": "smoothquant"}}],
    "magnitude": [prune(method="magnitude", sparsity=0.5)],
    "wanda": [prune(method="wanda", sparsity=0.5)],
    "wanda sequential": [prune(method="wanda", sparsity=0.5, sequential=True)],
    "sparsegpt": [prune(method="sparsegpt", sparsity=0.5)],
    "cache": [{"cache": {"method": "kv", "bits": 4}}],
    "two": [prune(method="wanda", sparsity=0.5), quantize("model.layers.0.*", method="gptq", bits=4)],
}


def recipe(*steps: dict[str, Any]) -> Recipe:
    return Recipe.from_dict({"steps": list(steps)})


@pytest.fixture
def protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Protocol:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    text = tmp_path / "evaluation.txt"
    text.write_text(Path(calibration_file(tmp_path)).read_text().upper())
    return Protocol(
        text=str(text), calibration=calibration_file(tmp_path), calibration_tokens=512, context=32, tokens=1024,
        dtype="float32", device="cpu",
    )  # fmt: skip


def check_same(name: str, chosen: Recipe, protocol: Protocol, folder: Path) -> None:
    folder.mkdir()
    found = stream(name, chosen, protocol, folder)
    model = load(name)
    expected = compress(model, chosen, protocol)
    passage = evaluation_passage(
        str(protocol.text), model.tokenizer, protocol.tokens, protocol.context, model.framing(protocol.bos)
    )
    quality = compare(
        model.to(dtype=protocol.dtype), expected.model.to(dtype=protocol.dtype), passage, protocol.context, cache=None
    )
    assert found.quality.base.ppl == pytest.approx(quality.base.ppl, rel=1e-4)
    assert found.quality.candidate.ppl == pytest.approx(quality.candidate.ppl, rel=1e-4)
    assert found.quality.kl_mean == pytest.approx(quality.kl_mean, rel=1e-3, abs=1e-7)
    assert found.quality.nll_ci95 == pytest.approx(quality.nll_ci95, abs=1e-4)
    assert [one.name for one in found.layers] == [one.name for one in expected.layers]
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert (one.bits_per_weight, one.sparsity) == (other.bits_per_weight, other.sparsity)
        assert one.output_error == pytest.approx(other.output_error, rel=1e-2, abs=1e-5)
    written = load_artefact(folder)
    assert {n: s.meta() for n, s in written.stored.items()} == {n: s.meta() for n, s in expected.stored.items()}
    for parameter, value in expected.model.module.named_parameters():
        assert torch.allclose(written.model.module.get_parameter(parameter), value, rtol=1e-3, atol=1e-3), parameter
    assert not any((Path(folder).parent / "home" / "streaming").iterdir())


@pytest.mark.parametrize("method", STEPS)
def test_every_method_gives_what_it_gives_in_memory(method: str, protocol: Protocol, tmp_path: Path) -> None:
    name = str(tiny_model_folder("llama", tmp_path / "llama"))
    check_same(name, recipe(*STEPS[method]), protocol, tmp_path / "out")


@pytest.mark.parametrize("family", ["qwen3", "gemma2", "gpt2"])
def test_tied_heads_windows_caps_and_positions(family: str, protocol: Protocol, tmp_path: Path) -> None:
    name = str(tiny_model_folder(family, tmp_path / family))
    check_same(name, recipe(*STEPS["gptq sequential"]), protocol, tmp_path / "out")


def test_bfloat16_is_read_as_in_memory(protocol: Protocol, tmp_path: Path) -> None:
    name = str(tiny_model_folder("llama", tmp_path / "llama", "bfloat16"))
    in_bfloat16 = protocol.model_copy(update={"dtype": "bfloat16"})
    check_same(name, recipe(*STEPS["rtn"]), in_bfloat16, tmp_path / "out")


def test_a_pass_that_was_stopped_goes_on_at_its_block(protocol: Protocol, tmp_path: Path) -> None:
    name, chosen = str(tiny_model_folder("llama", tmp_path / "llama")), recipe(*STEPS["gptq"])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    expected = stream(name, chosen, protocol, tmp_path / "one")
    told: list[str] = []

    def stop(fraction: float, message: str, partial: object = None) -> None:
        if said(message) == "block 2 of 2":
            raise Cancelled

    with pytest.raises(Cancelled):
        stream(name, chosen, protocol, tmp_path / "two", stop)
    assert not any((tmp_path / "two").iterdir())
    found = stream(name, chosen, protocol, tmp_path / "two", lambda fraction, message, *_: told.append(said(message)))
    assert "block 1 of 2" not in told and "block 2 of 2" in told
    assert found.quality == expected.quality and found.layers == expected.layers
    shards = sorted(file.name for file in (tmp_path / "two").glob("*.safetensors"))
    assert shards == [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    for shard in shards:
        assert (tmp_path / "one" / shard).read_bytes() == (tmp_path / "two" / shard).read_bytes()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (prune(method="magnitude", sparsity=0.5, scope="global"), "compares the weights of all layers"),
        (prune(method="wanda", sparsity=0.5, allocation="owl"), "compares the weights of all layers"),
        (prune(method="magnitude", sparsity=0.5, pattern="heads"), "heads, neurons or blocks"),
        (prune(method="taylor", sparsity=0.5), "gradients"),
        (quantize(method="qat", bits=4), "learns from gradients"),
        (quantize(method="signround", bits=4), "learns from gradients"),
        (quantize("lm_head", method="rtn", bits=4), "lm_head, which lies outside the blocks"),
    ],
)
def test_what_needs_the_whole_model_says_so(step: dict[str, Any], reason: str, protocol: Protocol, tmp_path: Path):
    name = str(tiny_model_folder("llama", tmp_path / "llama"))
    with pytest.raises(RecipeError) as refused:
        stream(name, recipe(step), protocol, tmp_path / "out")
    assert "the whole model needs to be in memory" in said(refused.value.message)
    assert reason in said(refused.value.message)


def test_a_model_of_transformers_is_refused(protocol: Protocol, tmp_path: Path) -> None:
    name = str(tiny_model_folder("bert", tmp_path / "bert"))
    with pytest.raises(ModelError, match="block by block"):
        stream(name, recipe(*STEPS["rtn"]), protocol, tmp_path / "out")


KILLED = """
import json, os, signal, sys
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.streaming import run
import pathlib

kept, whole = [], run.keep
def keep(unfinished, side, batch, states):
    whole(unfinished, side, batch, states)
    kept.append(unfinished)
    if len(set(kept)) == 3:  # the embedding, the first block, and some states of the second
        os.kill(os.getpid(), signal.SIGKILL)
run.keep = keep
name, recipe, protocol, target = sys.argv[1:]
run.stream(name, Recipe.from_dict(json.loads(recipe)), Protocol.model_validate_json(protocol), pathlib.Path(target))
"""


@pytest.mark.slow
def test_a_pass_that_was_killed_loses_no_more_than_its_block(protocol: Protocol, tmp_path: Path) -> None:
    name, chosen = str(tiny_model_folder("llama", tmp_path / "llama")), recipe(*STEPS["gptq"])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    call = [name, json.dumps(chosen.to_dict()), protocol.model_dump_json(), str(tmp_path / "one")]
    ended = subprocess.run([sys.executable, "-c", KILLED, *call], check=False)
    assert ended.returncode == -signal.SIGKILL
    told: list[str] = []
    found = stream(name, chosen, protocol, tmp_path / "one", lambda fraction, message, *_: told.append(said(message)))
    assert "block 1 of 2" not in told and "block 2 of 2" in told
    expected = stream(name, chosen, protocol, tmp_path / "two")
    assert found.quality == expected.quality and found.layers == expected.layers


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rtn", "gptq", "awq", "wanda"])
def test_smollm2_gives_what_it_gives_in_memory(method: str, protocol: Protocol, tmp_path: Path) -> None:
    wide = [{kind: {**values, "group_size": 64} if kind == "quantize" else values} for step in STEPS[method]
            for kind, values in step.items()]  # fmt: skip
    chosen = protocol.model_copy(update={"context": 256, "tokens": 1024, "calibration_tokens": 1024})
    check_same("smollm2-135m", recipe(*wide), chosen, tmp_path / "out")


@pytest.mark.slow
def test_nano_gives_what_it_gives_in_memory(protocol: Protocol, tmp_path: Path) -> None:
    check_same("nano", recipe(*STEPS["rtn"]), protocol, tmp_path / "out")
