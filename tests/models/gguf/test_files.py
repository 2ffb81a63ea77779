"""Whole GGUF files as people have them: the right numbers, or one sentence that names the reason."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers

from optlab.errors import ModelError
from optlab.models import load
from optlab.models.catalog import resolve
from tests.models.gguf.written import CASES, add_tokenizer, make, tensors, write

LLAMA = CASES["llama"]
IDS = torch.arange(4, 64).reshape(2, -1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    make(LLAMA, folder)
    return folder


def truth(folder: Path, **changes: Any) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **changes).eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, use_cache=False).logits
    return found


def logits(file: Path) -> torch.Tensor:
    with torch.no_grad():
        return load(str(file), device="cpu").logits(IDS)


def written(source: Path, file: Path, more: Callable[[gguf.GGUFWriter], None] | None = None, kind: str = "F32") -> Path:
    model = transformers.AutoModelForCausalLM.from_pretrained(source)
    return write(model, LLAMA, source, file, kind, more)


def setting(key: str, value: Any) -> Callable[[gguf.GGUFWriter], None]:
    """Write `key` again, or for the first time, with another value."""

    def change(writer: gguf.GGUFWriter) -> None:
        writer.kv_data[0].pop(key, None)
        kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        (writer.add_array if isinstance(value, list) else kinds[type(value)])(key, value)

    return change


def both(*changes: Callable[[gguf.GGUFWriter], None]) -> Callable[[gguf.GGUFWriter], None]:
    return lambda writer: [change(writer) for change in changes] and None


ROPE = "llama.rope.scaling"
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10_000.0, "original_max_position_embeddings": 16}


@pytest.mark.parametrize(
    ("change", "rope"),
    [
        (setting("llama.rope.scale_linear", 4.0), LINEAR),
        (setting(f"{ROPE}.factor", 4.0), LINEAR),
        (both(setting(f"{ROPE}.type", "linear"), setting(f"{ROPE}.factor", 4.0)), LINEAR),
        (both(setting(f"{ROPE}.type", "none"), setting(f"{ROPE}.factor", 4.0)), {"rope_type": "default"}),
        (
            both(
                setting(f"{ROPE}.type", "yarn"),
                setting(f"{ROPE}.factor", 4.0),
                setting(f"{ROPE}.original_context_length", 16),
            ),
            YARN,
        ),
        (setting("llama.rope.freq_base", 123_456.0), {"rope_type": "default", "rope_theta": 123_456.0}),
    ],
    ids=["old key", "factor alone", "linear", "none", "yarn", "base"],
)
def test_rotary_positions_are_scaled_as_the_file_says(
    source: Path, tmp_path: Path, change: Callable[[gguf.GGUFWriter], None], rope: dict[str, Any]
) -> None:
    file = written(source, tmp_path / "m.gguf", change)
    expected = truth(source, rope_parameters={"rope_theta": 10_000.0, **rope})
    torch.testing.assert_close(logits(file), expected, atol=1e-4, rtol=1e-3)


def test_a_divisor_of_every_frequency_is_kept_whatever_it_is(source: Path, tmp_path: Path) -> None:
    factors = np.array([1.0, 1.3, 2.5, 7.0], dtype=np.float32)
    file = written(source, tmp_path / "m.gguf", lambda writer: writer.add_tensor("rope_freqs.weight", factors))
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    model.model.rotary_emb.inv_freq /= torch.from_numpy(factors)
    with torch.no_grad():
        torch.testing.assert_close(logits(file), model(IDS, use_cache=False).logits, atol=1e-4, rtol=1e-3)


def test_a_divisor_and_a_linear_factor_both_count(source: Path, tmp_path: Path) -> None:
    factors = np.array([1.0, 1.3, 2.5, 7.0], dtype=np.float32)
    linear = both(
        setting(f"{ROPE}.type", "linear"), setting(f"{ROPE}.factor", 4.0),
        lambda writer: writer.add_tensor("rope_freqs.weight", factors),
    )  # fmt: skip
    file = written(source, tmp_path / "m.gguf", linear)
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    model.model.rotary_emb.inv_freq /= 4 * torch.from_numpy(factors)
    with torch.no_grad():
        torch.testing.assert_close(logits(file), model(IDS, use_cache=False).logits, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("values", [[1.0, 0.0, 1.0, 1.0], [1.0, -1.0, 1.0, 1.0]])
def test_a_divisor_that_no_frequency_has_is_refused(source: Path, tmp_path: Path, values: list[float]) -> None:
    factors = np.array(values, dtype=np.float32)
    file = written(source, tmp_path / "m.gguf", lambda writer: writer.add_tensor("rope_freqs.weight", factors))
    with pytest.raises(ModelError, match=r"rope_freqs\.weight holds values that no frequency can be divided by"):
        resolve(str(file))


def test_values_for_every_layer_are_read_when_they_are_equal(source: Path, tmp_path: Path) -> None:
    key = "llama.attention.head_count_kv"
    file = written(source, tmp_path / "same.gguf", setting(key, [2, 2]))
    torch.testing.assert_close(logits(file), truth(source), atol=1e-4, rtol=1e-3)
    file = written(source, tmp_path / "other.gguf", setting(key, [2, 1]))
    with pytest.raises(ModelError, match=r"another attention\.head_count_kv in each layer"):
        resolve(str(file))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (setting("llama.rope.dimension_count", 4), r"rotates 4 of the 8 dimensions of a head \(llama\.rope\.dimension"),
        (setting(f"{ROPE}.type", "su"), r"scales its rotary positions by 'su' \(llama\.rope\.scaling\.type\)"),
        (setting("llama.attention.sliding_window", 8), "sets llama.attention.sliding_window to 8"),
        (setting("llama.attention.value_length", 4), "values of another size than keys"),
        (setting("llama.attention.causal", False), "sets llama.attention.causal to False"),
        (setting("llama.attention.scale", 0.5), "sets llama.attention.scale to 0.5"),
        (setting("llama.logit_scale", 0.5), "sets llama.logit_scale to 0.5"),
        (setting("llama.final_logit_softcapping", 30.0), "sets llama.final_logit_softcapping to 30.0"),
        (setting("llama.expert_weights_scale", 2.5), "sets llama.expert_weights_scale to 2.5"),
        (setting("llama.rope.freq_base_swa", 1e4), "sets llama.rope.freq_base_swa to 10000.0"),
        (setting("llama.rope.dimension_sections", [2, 1, 1, 0]), "sets llama.rope.dimension_sections to a list of 4"),
        (setting("llama.attention.head_count", 3), "has 3 heads in a width of 32, which they do not divide"),
        (setting("tokenizer.ggml.model", "none"), "holds no tokenizer"),
        (setting("tokenizer.ggml.model", "rwkv"), r"a tokenizer of kind 'rwkv' \(RWKV\)"),
        (
            both(
                setting(f"{ROPE}.type", "yarn"),
                setting(f"{ROPE}.factor", 4.0),
                lambda writer: writer.add_tensor("rope_freqs.weight", np.arange(1, 5, dtype=np.float32)),
            ),
            "scales its rotary positions twice, by 'yarn'",
        ),
        (setting("llama.some.thing", True), "sets llama.some.thing to True, which is not understood"),
        (setting("llama.block_count", 3), "lacks blk.2."),
        (setting("llama.block_count", 1), "holds blk.1."),
        (setting("llama.block_count", 4_000_000_000), "lacks blk.2."),
        (setting("llama.rope.freq_base", 0.0), "has 0.0 as llama.rope.freq_base, which cannot be"),
        (setting(f"{ROPE}.factor", -2.0), "has -2.0 as llama.rope.scaling.factor, which cannot be"),
        (setting("llama.attention.layer_norm_rms_epsilon", math.nan), "or it is not a number"),
        (setting("tokenizer.ggml.merges", [1, 2]), "is damaged or incomplete"),
        (setting("llama.block_count", 0), "has 0 as llama.block_count, which must be 1 or more"),
        (setting("llama.embedding_length", "x"), "lacks llama.embedding_length, or it is not a number"),
        (setting("general.architecture", "deepseek2"), "architecture 'deepseek2', which is not read; these are: bloom"),
        (setting("general.architecture", "bert"), r"is an encoder \(bert\) without a head"),
        (setting("general.type", "adapter"), r"is not a model but an adapter \(LoRA\)"),
        (setting("general.type", "mmproj"), r"is not a model but the image or audio part"),
        (
            lambda writer: writer.add_tensor("blk.0.attn_sinks.weight", np.ones(4, dtype=np.float32)),
            "holds blk.0.attn_sinks.weight, which a model of type 'llama' has not",
        ),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    source: Path, tmp_path: Path, change: Callable[[gguf.GGUFWriter], None], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence) as refusal:
        resolve(str(written(source, tmp_path / "m.gguf", change)))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", [False, 0, "none", 0.0])
def test_a_key_that_says_nothing_is_no_reason_to_refuse(source: Path, tmp_path: Path, value: Any) -> None:
    file = written(source, tmp_path / "m.gguf", setting("llama.some.thing", value))
    torch.testing.assert_close(logits(file), truth(source), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llama.attention.causal", True), ("llama.logit_scale", 1.0), ("llama.expert_gating_func", 1),
        ("llama.attention.sliding_window", 64), ("llama.rope.dimension_sections", [0, 0, 0, 0]),
        ("general.tags", ["text-generation"]), ("quantize.imatrix.chunks_count", 128), ("x.made_by", "somebody"),
        ("tokenizer.chat_template.tool_use", "{{ messages }}"),
    ],
)  # fmt: skip
def test_a_key_that_changes_no_number_is_no_reason_to_refuse(
    source: Path, tmp_path: Path, key: str, value: Any
) -> None:
    torch.testing.assert_close(
        logits(written(source, tmp_path / "m.gguf", setting(key, value))), truth(source), atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("norm", [False, True])
def test_a_file_says_whether_the_weights_of_experts_add_up_to_1(tmp_path: Path, norm: bool) -> None:
    case = CASES["qwen3moe"]
    model = make(case, tmp_path / "source", norm_topk_prob=norm)
    file = write(
        model, case, tmp_path / "source", tmp_path / "m.gguf", more=setting("qwen3moe.expert_weights_norm", norm)
    )
    torch.testing.assert_close(logits(file), truth(tmp_path / "source"), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("key", "value"), [("expert_count", 3), ("expert_used_count", 5)])
def test_experts_that_are_not_there_are_refused(tmp_path: Path, key: str, value: int) -> None:
    case = CASES["mixtral"]
    model = make(case, tmp_path / "source")
    file = write(model, case, tmp_path / "source", tmp_path / "m.gguf", more=setting(f"llama.{key}", value))
    with pytest.raises(ModelError, match=r"says that \d of \d experts read each token, and holds 4"):
        resolve(str(file))


def test_norms_in_float16_are_read(source: Path, tmp_path: Path) -> None:
    def halve(writer: gguf.GGUFWriter) -> None:
        add = writer.add_tensor

        def half(name: str, W: np.ndarray, **more: Any) -> None:
            add(name, W.astype(np.float16)) if W.ndim == 1 else add(name, W, **more)

        writer.add_tensor = half  # type: ignore[method-assign]

    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.copy_(parameter.half())
        expected = model(IDS, use_cache=False).logits
    torch.testing.assert_close(logits(written(source, tmp_path / "m.gguf", halve)), expected, atol=1e-4, rtol=1e-3)


def test_a_head_that_repeats_the_embedding_is_tied(tmp_path: Path) -> None:
    model = make(LLAMA, tmp_path / "source", tie_word_embeddings=True)
    embedding = model.model.embed_tokens.weight.detach().numpy()
    file = write(
        model, LLAMA, tmp_path / "source", tmp_path / "m.gguf",
        more=lambda writer: writer.add_tensor("output.weight", embedding),
    )  # fmt: skip
    folder = resolve(str(file))
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is True
    torch.testing.assert_close(logits(file), truth(tmp_path / "source"), atol=1e-4, rtol=1e-3)


def split(
    source: Path, folder: Path, names: tuple[str, str] = ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
) -> None:
    """The Llama in `source` in two parts, the metadata in the first, as llama.cpp's gguf-split writes them."""
    config = transformers.AutoConfig.from_pretrained(source)
    every = list(tensors(source, LLAMA, config))
    for number, name in enumerate(names):
        writer = gguf.GGUFWriter(folder / name, "llama")
        if number == 0:
            writer.add_block_count(config.num_hidden_layers)
            writer.add_context_length(64)
            writer.add_embedding_length(config.hidden_size)
            writer.add_feed_forward_length(config.intermediate_size)
            writer.add_head_count(config.num_attention_heads)
            writer.add_head_count_kv(config.num_key_value_heads)
            writer.add_layer_norm_rms_eps(config.rms_norm_eps)
            add_tokenizer(writer, source, config.vocab_size)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(every))
        for own, W in every[number::2]:
            writer.add_tensor(own, np.ascontiguousarray(LLAMA.arrange(own, W, config)))
        for step in (
            writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close,
        ):  # fmt: skip
            step()


@pytest.mark.parametrize("named", [1, 2])
def test_all_parts_of_a_split_file_are_read_whichever_is_named(source: Path, tmp_path: Path, named: int) -> None:
    split(source, tmp_path)
    file = tmp_path / f"m-{named:05}-of-00002.gguf"
    torch.testing.assert_close(logits(file), truth(source), atol=1e-4, rtol=1e-3)
    assert load(str(file)).folder.joinpath("model.safetensors").is_file()


def test_parts_that_are_missing_or_renamed_or_others_are_named(source: Path, tmp_path: Path) -> None:
    split(source, tmp_path)
    first, second = tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf"
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(ModelError, match=r"one of 2 parts; m-00002-of-00002\.gguf is missing beside it"):
        resolve(str(first))
    second.write_bytes(first.read_bytes())
    with pytest.raises(ModelError, match=r"m-00002-of-00002\.gguf is not part 2 of 2"):
        resolve(str(first))
    (tmp_path / "other.gguf").write_bytes(first.read_bytes())
    with pytest.raises(ModelError, match=r"found by names like model-00001-of-00002\.gguf"):
        resolve(str(tmp_path / "other.gguf"))
    second.write_bytes(kept)
    assert resolve(str(first)).is_dir()


def test_a_part_that_changes_makes_another_conversion(source: Path, tmp_path: Path) -> None:
    split(source, tmp_path)
    first = resolve(str(tmp_path / "m-00001-of-00002.gguf"))
    second = tmp_path / "m-00002-of-00002.gguf"
    second.write_bytes(second.read_bytes() + bytes(32))
    assert resolve(str(tmp_path / "m-00001-of-00002.gguf")) != first


def test_a_file_replaced_by_another_of_the_same_size_and_time_is_read_again(source: Path, tmp_path: Path) -> None:
    file = written(source, tmp_path / "m.gguf")
    before, stat = logits(file), file.stat()
    make(LLAMA, tmp_path / "other", seed=1)
    written(tmp_path / "other", file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    torch.testing.assert_close(logits(file), truth(tmp_path / "other"), atol=1e-4, rtol=1e-3)
    assert not torch.equal(logits(file), before)


def test_links_to_parts_keep_their_names(source: Path, tmp_path: Path) -> None:
    """The hub's cache keeps files by their hash and links to them by name."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    split(source, tmp_path / "blobs")
    for number, part in enumerate(sorted((tmp_path / "blobs").iterdir())):
        blob = part.rename(part.with_name(f"hash{number}"))
        (tmp_path / "snapshot" / part.name).symlink_to(blob)
    file = tmp_path / "snapshot" / "m-00001-of-00002.gguf"
    torch.testing.assert_close(logits(file), truth(source), atol=1e-4, rtol=1e-3)


def perplexity(values: torch.Tensor) -> float:
    loss = torch.nn.functional.cross_entropy(values[:, :-1].reshape(-1, values.shape[-1]), IDS[:, 1:].reshape(-1))
    return math.exp(loss.item())


@pytest.mark.parametrize("kind", ["BF16", "F32"])
def test_weights_that_float16_would_lose_are_kept(tmp_path: Path, kind: str) -> None:
    """An embedding of 1e-7, made up for by a norm with a tiny epsilon."""
    model = make(LLAMA, tmp_path / "source", rms_norm_eps=1e-20)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(1e-7)
    model.to(torch.bfloat16).float().save_pretrained(tmp_path / "source")
    file = write(model, LLAMA, tmp_path / "source", tmp_path / "m.gguf", kind)
    assert perplexity(logits(file)) == pytest.approx(perplexity(truth(tmp_path / "source")), rel=1e-5)


def test_a_big_endian_file_of_floats_is_read(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer_class = gguf.GGUFWriter
    monkeypatch.setattr(gguf, "GGUFWriter", lambda *args: writer_class(*args, endianess=gguf.GGUFEndian.BIG))
    file = written(source, tmp_path / "m.gguf", kind="F32")
    torch.testing.assert_close(logits(file), truth(source), atol=1e-4, rtol=1e-3)


def test_the_note_says_how_mixed_weights_were_stored(tmp_path: Path) -> None:
    wide = {"hidden_size": 256, "intermediate_size": 512}
    model = make(LLAMA, tmp_path / "source", **wide)
    file = write(model, LLAMA, tmp_path / "source", tmp_path / "m.gguf", "Q8_0")
    note = str(load(str(file)).description.checkpoint_note)
    assert note.startswith("Its linear weights were already stored as Q8_0: 8 bits in blocks of 32;")

    mixed = {"Q4_0": 0, "Q8_0": 0}
    writer = gguf.GGUFWriter(tmp_path / "mixed.gguf", "llama")
    config = model.config
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    add_tokenizer(writer, tmp_path / "source", config.vocab_size)
    for own, W in tensors(tmp_path / "source", LLAMA, config):
        if W.ndim == 1:
            writer.add_tensor(own, W)
            continue
        name = "Q8_0" if "ffn_down" in own else "Q4_0"
        data = gguf.quants.quantize(LLAMA.arrange(own, W, config), gguf.GGMLQuantizationType[name])
        mixed[name] += data.nbytes if own.startswith("blk.") else 0
        writer.add_tensor(own, data, raw_dtype=gguf.GGMLQuantizationType[name])
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    shares = {name: 100 * size / sum(mixed.values()) for name, size in mixed.items()}
    note = str(load(str(tmp_path / "mixed.gguf")).description.checkpoint_note)
    assert f"({shares['Q4_0']:.0f}% Q4_0, {shares['Q8_0']:.0f}% Q8_0 of their bytes)" in note
