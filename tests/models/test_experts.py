"""Experts as linear layers: the model computes what transformers computes, and every method sees every matrix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from optlab.calibrate.statistics import Statistics, gather
from optlab.calibrate.walk import in_batches
from optlab.errors import RecipeError
from optlab.kernels.artefact import load_artefact, save
from optlab.models import load
from optlab.models.checkpoint import read_header
from optlab.models.experts import SeparateExperts
from tests.compressing import Step, compressed, prune, quantize, tiny
from tests.tiny import MIXTURES, tiny_model_folder

IDS = torch.randint(4, 150, (2, 24), generator=torch.Generator().manual_seed(3))


def from_transformers(folder: Path) -> torch.nn.Module:
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def tensor_bytes(folder: Path) -> int:
    return sum(entry.bytes for file in folder.glob("*.safetensors") for entry in read_header(file))


@torch.no_grad()
@pytest.mark.parametrize("family", MIXTURES)
def test_separate_experts_compute_what_transformers_computes(family: str, tmp_path: Path) -> None:
    folder = tiny_model_folder(family, tmp_path)
    model = load(str(folder))
    assert any(isinstance(part, SeparateExperts) for part in model.module.modules())
    torch.testing.assert_close(model.logits(IDS), from_transformers(folder)(input_ids=IDS, use_cache=False).logits)
    torch.testing.assert_close(model.head(model.hidden(IDS)), model.logits(IDS))


@torch.no_grad()
@pytest.mark.parametrize("family", MIXTURES)
def test_experts_are_packed_listed_and_read_back(family: str, tmp_path: Path) -> None:
    model = tiny(family, tmp_path, "float32")
    found = compressed(model, tmp_path, quantize(method="rtn", bits=4, group_size=None))
    experts = [layer for layer in found.layers if re.search(r"experts\.\d+\.", layer.name)]
    blocks = {layer.name.partition(".experts")[0] for layer in experts}
    assert len(experts) == len(blocks) * 4 * 3
    assert all(layer.bits_per_weight < 8 for layer in experts)

    save(found, tmp_path / "out")
    back = load_artefact(tmp_path / "out")
    torch.testing.assert_close(back.model.logits(IDS), found.model.logits(IDS), rtol=0, atol=0)

    # A packed matrix costs what its bits promise and two int64 that say its shape; all else stays as it was.
    packed = sum(one.stored_bits() / 8 + 16 - 4 * one.dequantize().numel() for one in found.stored.values())
    assert tensor_bytes(tmp_path / "out") - tensor_bytes(tmp_path / family) == packed


def test_the_description_lists_experts_and_keeps_routers_apart(tmp_path: Path) -> None:
    model = tiny("qwen2_moe", tmp_path)
    kinds = {layer.name: layer.kind for layer in model.description.layers}
    assert kinds["model.layers.0.mlp.experts.3.gate_proj"] == "mlp.gate"
    assert kinds["model.layers.0.mlp.shared_expert.down_proj"] == "mlp.down"
    assert kinds["model.layers.0.mlp.gate"] == kinds["model.layers.0.mlp.shared_expert_gate"] == "router"
    assert sorted(model.linear_names()) == sorted(name for name, _ in model.description.linears)


@torch.no_grad()
def test_an_expert_learns_from_the_tokens_that_reach_it(tmp_path: Path) -> None:
    model = tiny("mixtral", tmp_path)
    read: dict[int, torch.Tensor] = {}
    experts = model.module_named("model.layers.1.mlp.experts")
    handle = experts.register_forward_pre_hook(
        lambda _, args: read.update({e: args[0][(args[1] == e).any(-1)] for e in range(4)})
    )
    model.hidden(IDS)
    handle.remove()
    gather(model, in_batches(IDS.tolist()), tmp_path)
    found = Statistics(tmp_path)
    for number, x in read.items():
        name = f"model.layers.1.mlp.experts.{number}.up_proj"
        assert found.seen(name) == len(x)
        torch.testing.assert_close(found.gram(name), x.T @ x / len(x))
    assert found.seen("model.layers.1.self_attn.o_proj") == IDS.numel()


@torch.no_grad()
def test_an_expert_that_no_token_reaches_is_rounded_to_nearest(tmp_path: Path) -> None:
    model = tiny("qwen3_moe", tmp_path, "float32", num_experts=4, num_experts_per_tok=1)
    # Expert 2 never wins: its row of the router gives less than any other, whatever the token.
    for number in (0, 1):
        router = model.module_named(f"model.layers.{number}.mlp.gate").weight
        router[2] = -50 * router[[0, 1, 3]].sum(0)
        router[3] = -router[2]
    gptq = compressed(model, tmp_path, quantize(method="gptq", bits=3))
    dead = [layer for layer in gptq.layers if layer.output_error is None]
    assert dead, "no expert was left without tokens"
    rtn = compressed(model, tmp_path, quantize(method="gptq", bits=3, damping=1.0))
    for layer in dead:
        torch.testing.assert_close(gptq.model.weight(layer.name), rtn.model.weight(layer.name))


@pytest.mark.parametrize(
    "step",
    [
        quantize(method="awq"),
        quantize(method="signround", steps=4),
        quantize(method="hqq"),
        {"quantize": {"method": "smoothquant"}},
    ],
    ids=lambda step: step["quantize"]["method"],
)
def test_every_method_takes_experts(step: Step, tmp_path: Path) -> None:
    found = compressed(tiny("mixtral", tmp_path), tmp_path, step)
    assert all(layer.bits_per_weight < 12 for layer in found.layers)


def test_pruning_takes_experts_but_cuts_no_neurons_out_of_them(tmp_path: Path) -> None:
    model = tiny("mixtral", tmp_path)
    found = compressed(model, tmp_path, prune(method="wanda", sparsity=0.5))
    assert all(layer.sparsity == pytest.approx(0.5, abs=0.02) for layer in found.layers)
    with pytest.raises(RecipeError, match="several MLPs"):
        compressed(model, tmp_path, prune(method="magnitude", sparsity=0.5, pattern="neurons"))


def test_routers_say_that_they_stay_and_experts_that_they_read_little(tmp_path: Path) -> None:
    model = tiny("qwen3_moe", tmp_path, num_experts=16, num_experts_per_tok=1)
    plain = compressed(model, tmp_path, quantize(method="rtn"))
    assert [str(note) for note in plain.notes] == ["routers, which choose the experts of a token, stay as they are"]
    learned = compressed(model, tmp_path, quantize(method="gptq"))
    assert re.match(r"\d+ of 32 experts read fewer calibration tokens than they have inputs", str(learned.notes[-1]))
