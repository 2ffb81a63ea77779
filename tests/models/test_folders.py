"""Folders as people have them: what loads computes what transformers computes, what does not is refused by name.

Each test that refuses asks `describe` and `load`, because nothing may be shown that cannot be measured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from optlab import paths
from optlab.errors import ModelError, OptLabError
from optlab.kernels.artefact import load_artefact, save
from optlab.models import load
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import describe
from optlab.models.fingerprint import fingerprint
from tests.compressing import compressed, quantize
from tests.tiny import tiny_model_folder

Tensors = dict[str, torch.Tensor]
IDS = torch.randint(4, 150, (1, 20), generator=torch.Generator().manual_seed(5))


def edit(folder: Path, change: Callable[[Tensors], Tensors | None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors = change(tensors) or tensors
    copies = {name: values.clone().contiguous() for name, values in tensors.items()}
    save_file(copies, folder / "model.safetensors", metadata={"format": "pt"})


def configure(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def refused(folder: Path, sentence: str) -> None:
    for ask in (describe, load):
        with pytest.raises(ModelError, match=sentence):
            ask(str(folder))


@torch.no_grad()
def logits_of_transformers(folder: Path, masked: bool = False) -> torch.Tensor:
    import transformers

    kind = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=torch.float32).eval()(input_ids=IDS).logits


def mask(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()[None, None]


BUFFERS: dict[str, Callable[[Tensors], Tensors]] = {
    "neox": lambda t: {
        "gpt_neox.layers.0.attention.bias": mask(64),
        "gpt_neox.layers.0.attention.masked_bias": torch.tensor(-1e9),
        "gpt_neox.layers.1.attention.rotary_emb.inv_freq": torch.ones(2),
        "gpt_neox.layers.1.attention.rotary_emb.cos_cached": torch.ones(1, 1, 64, 4),
    },
    "gpt2": lambda t: {"transformer.h.0.attn.bias": mask(64), "transformer.h.1.attn.masked_bias": torch.tensor(-1e4)},
    "roberta": lambda t: {
        "roberta.embeddings.position_ids": torch.arange(64)[None],
        "roberta.pooler.dense.weight": torch.zeros(32, 32),
        "roberta.pooler.dense.bias": torch.zeros(32),
        "lm_head.decoder.weight": t["roberta.embeddings.word_embeddings.weight"],
        "lm_head.decoder.bias": t["lm_head.bias"],
    },
    "distilbert": lambda t: {"vocab_projector.weight": t["distilbert.embeddings.word_embeddings.weight"]},
    "bert": lambda t: {
        "bert.embeddings.position_ids": torch.arange(64)[None],
        "bert.pooler.dense.weight": torch.zeros(32, 32),
        "cls.seq_relationship.weight": torch.zeros(2, 32),
        "cls.seq_relationship.bias": torch.zeros(2),
    },
}


@pytest.mark.parametrize("family", BUFFERS)
def test_masks_positions_and_other_heads_are_no_weights(family: str, tmp_path: Path) -> None:
    plain = tiny_model_folder(family, tmp_path / "plain")
    shutil.copytree(plain, tmp_path / "more")
    edit(tmp_path / "more", lambda t: {**t, **BUFFERS[family](t)})
    found, without = describe(str(tmp_path / "more")), describe(str(plain))
    assert found.size_bytes == without.size_bytes == (plain / "model.safetensors").stat().st_size
    assert found.idle_bytes > 0
    assert "no weights of this model" in str(found.checkpoint_note)
    model = load(str(tmp_path / "more"))
    save(compressed(model, tmp_path), tmp_path / "out")
    # GPT-NeoX's head has a longer name in the file than in what is written: one word of the header.
    size = (tmp_path / "out" / "model.safetensors").stat().st_size
    assert size == (found.size_bytes if family != "neox" else pytest.approx(found.size_bytes, abs=8))
    masked = family in ("roberta", "distilbert", "bert")
    torch.testing.assert_close(model.logits(IDS), logits_of_transformers(tmp_path / "more", masked))


def test_bert_with_the_names_it_was_published_with(tmp_path: Path) -> None:
    folder = tiny_model_folder("bert", tmp_path)
    expected = logits_of_transformers(folder, masked=True)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    edit(
        folder,
        lambda t: {
            **{next((n.replace(a, b) for a, b in old.items() if n.endswith(a)), n): v for n, v in t.items()},
            **BUFFERS["bert"](t),
        },
    )
    torch.testing.assert_close(load(str(folder)).logits(IDS), expected)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "_fsdp_wrapped_module.", "language_model."])
@pytest.mark.parametrize("family", ["llama", "mixtral", "bert"])
def test_a_wrapper_around_the_saved_model_is_taken_off(prefix: str, family: str, tmp_path: Path) -> None:
    folder = tiny_model_folder(family, tmp_path)
    expected = logits_of_transformers(folder, family == "bert")
    edit(folder, lambda t: {prefix + name: values for name, values in t.items()})
    torch.testing.assert_close(load(str(folder)).logits(IDS), expected)


@pytest.mark.parametrize("wrapped", ["_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_orig_mod"])
@pytest.mark.parametrize("family", ["llama", "mixtral"])
def test_wrappers_around_blocks_are_taken_off(wrapped: str, family: str, tmp_path: Path) -> None:
    folder = tiny_model_folder(family, tmp_path)
    expected = logits_of_transformers(folder)
    edit(folder, lambda t: {re.sub(r"layers\.(\d)\.", rf"layers.\1.{wrapped}.", n): v for n, v in t.items()})
    torch.testing.assert_close(load(str(folder)).logits(IDS), expected)


@pytest.mark.parametrize("family", ["llama", "opt", "mixtral", "bert"])
def test_a_missing_weight_is_refused_by_name(family: str, tmp_path: Path) -> None:
    folder = tiny_model_folder(family, tmp_path, tie_word_embeddings=family == "bert")
    name = next(
        name for name in load_file(folder / "model.safetensors") if name.endswith(("k_proj.weight", "key.weight"))
    )
    edit(folder, lambda t: {n: v for n, v in t.items() if n != name})
    refused(folder, r"lacks 1 tensors .*(k_proj|key)\.weight")


def test_a_head_that_is_missing_is_refused_and_one_that_contradicts_tying_too(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path / "a", tie_word_embeddings=False)
    edit(folder, lambda t: {n: v for n, v in t.items() if n != "lm_head.weight"})
    refused(folder, "lacks 1 tensors .*lm_head")
    for family in ("llama", "olmoe"):
        folder = tiny_model_folder(family, tmp_path / family, tie_word_embeddings=False)
        configure(folder, tie_word_embeddings=True)
        refused(folder, "stores two different ones")


def test_a_weight_without_a_place_is_refused(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    edit(folder, lambda t: {**t, "model.layers.0.self_attn.q_norm.weight": torch.ones(8)})
    refused(folder, "holds 1 tensors .*no place for: model.layers.0.self_attn.q_norm.weight")


def test_a_config_that_transformers_has_no_code_for_is_refused(tmp_path: Path) -> None:
    folder = tiny_model_folder("falcon", tmp_path, new_decoder_architecture=True, parallel_attn=False, num_kv_heads=4)
    for ask in (describe, load):
        with pytest.raises(ModelError, match=r"cannot run what config\.json describes: .*ln_attn"):
            ask(str(folder))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_by_name(number: float, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    edit(folder, lambda t: t["model.layers.1.mlp.up_proj.weight"][3, 4:5].fill_(number) and None)
    refused(folder, "model.layers.1.mlp.up_proj.weight holds 1 numbers that are not finite")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_are_read_as_they_are(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    edit(folder, lambda t: {name: values.to(dtype) for name, values in t.items()})
    torch.testing.assert_close(load(str(folder)).logits(IDS), logits_of_transformers(folder))


@pytest.mark.parametrize("with_config", [False, True])
def test_an_adapter_is_called_one(with_config: bool, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    save_file({name: torch.randn(4, 32)}, tmp_path / "lora" / "adapter_model.safetensors")
    about = {"peft_type": "LORA", "base_model_name_or_path": "someone/base"}
    (tmp_path / "lora" / "adapter_config.json").write_text(json.dumps(about))
    if with_config:
        shutil.copy(tiny_model_folder("llama", tmp_path / "base") / "config.json", tmp_path / "lora")
    refused(tmp_path / "lora", "lora is a LoRA adapter of someone/base, not a model")


def test_an_adapter_beside_a_model_does_not_hide_it(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    save_file({"x.lora_A.weight": torch.randn(4, 32)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert load(str(folder)).family == "llama"


def test_a_folder_without_a_tokenizer_is_refused_before_it_is_shown(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    (folder / "tokenizer.json").rename(folder / "tekken.json")
    refused(folder, "has no tokenizer")


def test_code_in_a_folder_is_never_run(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    configure(folder, model_type="ours", auto_map={"AutoModelForCausalLM": "modeling.Ours"})
    refused(folder, "needs the code in its own folder")


def test_config_json_may_begin_with_a_byte_order_mark_and_hold_infinity(tmp_path: Path) -> None:
    folder = tiny_model_folder("mamba2", tmp_path)
    assert "Infinity" in (folder / "config.json").read_text()
    expected = logits_of_transformers(folder)
    (folder / "config.json").write_bytes(b"\xef\xbb\xbf" + (folder / "config.json").read_bytes())
    torch.testing.assert_close(load(str(folder)).logits(IDS), expected)


def test_a_config_value_of_the_wrong_kind_is_one_sentence(tmp_path: Path) -> None:
    folder = tiny_model_folder("opt", tmp_path)
    configure(folder, max_position_embeddings=None)
    refused(folder, "max_position_embeddings")


@pytest.mark.parametrize("name", ["mein Modell ü 模型 (v1) [final]", "-dash", "snapshot"])
def test_odd_names_and_links_load(name: str, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path / "blobs")
    (tmp_path / name).mkdir()
    for file in folder.iterdir():
        (tmp_path / name / file.name).symlink_to(file)
    assert load(str(tmp_path / name)).fingerprint == load(str(folder)).fingerprint


@torch.no_grad()
def test_mxfp4_is_unpacked(tmp_path: Path) -> None:
    folder = tiny_model_folder("gpt_oss", tmp_path)
    levels = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
    levels = torch.cat((levels, -levels))  # OCP MX specification 1.0, table 5
    generator = torch.Generator().manual_seed(0)
    expected: Tensors = {}

    def pack(tensors: Tensors) -> Tensors:
        packed: Tensors = {}
        for name, values in tensors.items():
            if not name.endswith(("gate_up_proj", "down_proj")):
                packed[name] = values
                continue
            experts, inputs, outputs = values.shape
            codes = torch.randint(16, (experts, outputs, inputs // 32, 32), dtype=torch.uint8, generator=generator)
            scales = torch.randint(122, 126, (experts, outputs, inputs // 32), dtype=torch.uint8, generator=generator)
            packed[f"{name}_blocks"] = codes[..., ::2] | codes[..., 1::2] << 4
            packed[f"{name}_scales"] = scales
            expected[name] = (levels[codes.long()] * torch.exp2(scales.float() - 127)[..., None]).flatten(2)
        return packed

    edit(folder, pack)
    configure(folder, quantization_config={"quant_method": "mxfp4"})
    model = load(str(folder))
    for name, values in expected.items():
        prefix = name.rpartition(".")[0]
        for number in range(4):
            if name.endswith("down_proj"):
                assert torch.equal(model.weight(f"{prefix}.{number}.down_proj"), values[number])
            else:
                assert torch.equal(model.weight(f"{prefix}.{number}.gate_proj"), values[number, ::2])
                assert torch.equal(model.weight(f"{prefix}.{number}.up_proj"), values[number, 1::2])
    assert "MXFP4" in str(model.description.checkpoint_note)


def test_the_fingerprint_notices_a_model_of_the_same_size_and_time(tmp_path: Path) -> None:
    seen = set()
    for seed in (0, 1):
        folder = tiny_model_folder("llama", tmp_path, seed=seed)
        for file in folder.iterdir():
            os.utime(file, (1, 1))
        seen.add(fingerprint(open_checkpoint(folder)))
    assert len(seen) == 2


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"])
def test_every_tokenizer_file_is_part_of_the_fingerprint(name: str, tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    before = fingerprint(open_checkpoint(folder))
    (folder / name).write_text("{}")
    assert fingerprint(open_checkpoint(folder)) != before


@torch.no_grad()
def test_a_trained_buffer_is_saved_and_read_back(tmp_path: Path) -> None:
    model = load(str(tiny_model_folder("deepseek_v3", tmp_path)))
    save(compressed(model, tmp_path, quantize(method="rtn")), tmp_path / "out")
    name = "model.layers.1.mlp.gate.e_score_correction_bias"
    back = load_artefact(tmp_path / "out").model.module.get_buffer(name)
    assert back.abs().sum() > 0
    assert torch.equal(back, model.module.get_buffer(name))


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_a_home_that_cannot_be_used_is_one_sentence(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / ("home" if kind == "a file" else "home/below")))
    with pytest.raises(OptLabError, match="set OPTLAB_HOME to a folder"):
        paths.folder("models")
