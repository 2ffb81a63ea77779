"""Whole folders as other tools write them, loaded: every weight is the one that the format's definition gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from optlab import paths
from optlab.errors import ModelError
from optlab.messages import Message
from optlab.models import load
from optlab.models.describe import describe
from optlab.models.quantized.registry import FORMATS
from tests.models.quantized.packing import Parts, awq, float8_rows, gptq, int8_rows, nf4, write

NANO = paths.ASSETS / "nano"
GPTQ_SETTINGS: dict[str, object] = {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": False}
FOLDERS: dict[str, tuple[dict[str, object], Callable[[torch.Tensor], tuple[Parts, torch.Tensor]]]] = {
    "gptq": (GPTQ_SETTINGS, lambda W: gptq(W, 4, 64)),
    "gptq-act-order": ({**GPTQ_SETTINGS, "bits": 3, "desc_act": True}, lambda W: gptq(W, 3, 64, shuffled=True)),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm"}, lambda W: awq(W, 64)),
    "nf4": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, nf4),
    "int8": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, int8_rows),
    "float8": (
        {
            "quant_method": "compressed-tensors",
            "format": "float-quantized",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float"}}},
        },
        float8_rows,
    ),
}


@pytest.mark.parametrize("which", FOLDERS)
def test_a_folder_of_another_tool_is_loaded(which: str, tmp_path: Path) -> None:
    settings, pack = FOLDERS[which]
    meant = write(NANO, tmp_path / which, settings, pack)
    model = load(str(tmp_path / which))
    for name, parameter in model.module.named_parameters():
        W = meant[name].float()
        # float16 keeps 11 bits: a relative error of at most 2^-11 in each weight
        torch.testing.assert_close(parameter.detach(), W, rtol=2.0**-11, atol=1e-7)
    note = model.description.checkpoint_note
    assert isinstance(note, Message)
    assert note.values["tool"] in {format.name for format in FORMATS}
    assert describe(str(tmp_path / which)).fingerprint == model.fingerprint


def test_biases_of_zeros_that_the_model_does_not_have_are_left_out(tmp_path: Path) -> None:
    """AutoGPTQ wrote one for every layer."""
    folder = tmp_path / "with-biases"
    write(NANO, folder, GPTQ_SETTINGS, lambda W: gptq(W, 4, 64))
    tensors = load_file(folder / "model.safetensors")
    layer = "model.layers.0.mlp.up_proj"
    tensors[f"{layer}.bias"] = torch.zeros(tensors[f"{layer}.qweight"].shape[1])
    save_file(tensors, folder / "model.safetensors")
    assert f"{layer}.bias" not in dict(load(str(folder)).module.named_parameters())
    tensors[f"{layer}.bias"] += 1
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match="no place for"):
        load(str(folder))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "aqlm"}, "aqlm"),
        ({"quant_method": "gptq", "checkpoint_format": "marlin"}, "GPTQ, but .*marlin"),
    ],
)
def test_what_is_not_read_is_refused_by_name(settings: dict[str, object], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "refused"
    write(NANO, folder, settings, lambda W: gptq(W, 4, 64))
    with pytest.raises(ModelError, match=words):
        load(str(folder))


def test_parts_that_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    write(NANO, folder, GPTQ_SETTINGS, lambda W: gptq(W, 4, 64))
    tensors = load_file(folder / "model.safetensors")
    scales = "model.layers.0.mlp.up_proj.scales"
    tensors[scales] = tensors[scales][:, :-1].contiguous()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"mlp\.up_proj is damaged"):
        load(str(folder))
