"""The C++ loop computes what the Transformer computes from the same weights, for every format and on every shape."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.compression import compress
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.artefact import load_artefact, save
from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native import library as built
from optlab.kernels.native.linear import DENSE, INT4, INT8, NativeLinear
from optlab.kernels.native.llama import NativeLlama, refusal
from optlab.kernels.rule import notes_for
from optlab.kernels.runtime import runtime
from optlab.kernels.weights import Source
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import Transformer
from optlab.paths import ASSETS
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.tiny import OWN, tiny_model_folder

pytestmark = pytest.mark.skipif(built.library()[0] is None, reason=built.library()[1] or "the library is there")


def quantized(W: torch.Tensor, bits: int, group: int | None, zero: str) -> QuantizedTensor:
    return QuantizedTensor.of(W, minmax(in_groups(W, group), bits, zero), group)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 50),
    blocks=st.integers(1, 7),
    bits=st.integers(2, 8),
    per_group=st.sampled_from([1, 2, 3, None]),
    zero=st.sampled_from(["int", "float", "none"]),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_format_multiplies_like_its_dequantized_weight(
    rows: int, blocks: int, bits: int, per_group: int | None, zero: str, bias: bool, seed: int
) -> None:
    group = None if per_group is None else 32 * per_group
    width = 32 * blocks * (per_group or 1)
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(rows, width, generator=generator)
    stored = quantized(W, bits, group, zero)
    added = torch.randn(rows, generator=generator) if bias else None
    source = Source(stored.dequantize(), added, stored)
    layer = NativeLinear(source)
    assert layer.kind == (INT4 if bits <= 4 else INT8)
    x = torch.randn(width, generator=generator).bfloat16()
    exact = stored.dequantize().double() @ x.double() + (0 if added is None else added.double())
    # The offset of a group is written in 16 bits: 2^-11 of it, times the sum of the group's inputs.
    scale = float(stored.dequantize().abs().max() * x.float().abs().sum())
    torch.testing.assert_close(layer.times(x).double(), exact, atol=2e-4 * scale + 1e-6, rtol=1e-4)
    torch.testing.assert_close(layer.dense().float(), stored.dequantize(), atol=1e-3, rtol=2**-8)


def test_dense_weights_are_those_of_bfloat16() -> None:
    W, x = torch.randn(37, 96), torch.randn(96).bfloat16()
    layer = NativeLinear(Source(W, None, None))
    assert layer.kind == DENSE
    torch.testing.assert_close(layer.times(x), W.bfloat16().float() @ x.float(), atol=1e-4, rtol=1e-5)
    assert torch.equal(layer.dense(), W.bfloat16())


def test_a_group_that_the_loop_does_not_read_is_dense_and_says_so() -> None:
    W = torch.randn(4, 48)
    layer = NativeLinear(Source(W, None, quantized(W, 4, 16, "int")))
    assert layer.kind == DENSE
    assert "groups of 16 have no kernel" in notes_for(layer.format, "native")[0]


def tiny(family: str, folder: Path) -> LanguageModel:
    return load(str(tiny_model_folder(family, folder)), "bfloat16", "cpu")


def reference(model: LanguageModel, ids: list[int]) -> torch.Tensor:
    """Logits [T, V] in float32, from weights that bfloat16 holds exactly."""
    with torch.inference_mode():
        return model.to(dtype="float32").logits(torch.tensor([ids]))[0]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("family", OWN)
def test_tokens_one_by_one_are_as_near_to_float32_as_torchs_bfloat16(family: str, threads: int, tmp_path: Path) -> None:
    model = tiny(family, tmp_path)
    fast = runtime(model, "bfloat16")
    assert isinstance(fast, NativeLlama)
    assert isinstance(model.module, Transformer)
    usual = LlamaRuntime(model.module, {}, torch.bfloat16, 64, [])
    ids = torch.randint(4, 160, (40,), generator=torch.Generator().manual_seed(3)).tolist()
    expected = reference(model, ids)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours, torchs = (torch.stack([one.decode(token).float() for token in ids]) for one in (fast, usual))
    finally:
        torch.set_num_threads(before)
    assert (ours - expected).norm() < 1.1 * (torchs - expected).norm()
    assert (torchs - expected).norm() < 0.05 * expected.norm()


def test_a_prompt_and_its_tokens_one_by_one_fill_the_same_cache(tmp_path: Path) -> None:
    model = tiny("llama", tmp_path)
    once, stepwise = runtime(model, "bfloat16"), runtime(model, "bfloat16")
    ids = list(range(4, 30))
    after_prompt = once.prefill(ids).float()
    for token in ids:
        after_steps = stepwise.decode(token)
    assert float((after_prompt - after_steps).norm() / after_steps.norm()) < 0.02
    assert int(after_prompt.argmax()) == int(after_steps.argmax())


@pytest.mark.parametrize("family", OWN)
def test_prompts_of_any_length_are_as_near_to_float32_as_torchs_bfloat16(family: str, tmp_path: Path) -> None:
    model = tiny(family, tmp_path)
    fast, plain = runtime(model, "bfloat16"), model.module
    assert isinstance(fast, NativeLlama)
    assert isinstance(plain, Transformer)
    ids = torch.randint(4, 160, (50,), generator=torch.Generator().manual_seed(5)).tolist()
    expected = reference(model, ids)
    ours, torchs = [], []
    for count in (49, 1, 2, 7, 16, 17, 33):  # a longer text first: nothing of it may be left
        for runs, kept in ((fast, ours), (LlamaRuntime(plain, {}, torch.bfloat16, 64, []), torchs)):
            runs.reset()
            for row, found in ((count - 1, runs.prefill(ids[:count])), (count, runs.decode(ids[count]))):
                kept.append(float((found.float() - expected[row]).norm() / expected[row].norm()))
    assert max(ours) < 2 * max(torchs) < 0.1
    assert sum(ours) < 1.1 * sum(torchs)


@pytest.mark.parametrize("ids", [[], list(range(4, 20))])
def test_a_prompt_that_does_not_fit_is_refused(ids: list[int], tmp_path: Path) -> None:
    fast = runtime(tiny("llama", tmp_path), "bfloat16", room=8)
    with pytest.raises(ValueError, match=f"room for 1 to 8 tokens, {len(ids)} are needed"):
        fast.prefill(ids)


@pytest.mark.parametrize("steps", [[4, 64, "rtn"], [8, None, "rtn"], [3, 32, "rtn"]])
def test_nano_compressed_writes_what_its_dequantized_weights_write(steps: list) -> None:
    bits, group, method = steps
    nano = load(str(ASSETS / "nano"), "float32", "cpu")
    recipe = Recipe.from_dict({"steps": [{"quantize": {"bits": bits, "group_size": group, "method": method}}]})
    compressed = compress(nano, recipe, Protocol(calibration_tokens=1024))
    fast = runtime(compressed, "bfloat16")
    assert isinstance(fast, NativeLlama)
    ids = nano.tokenizer.encode("ROMEO:\nBut soft, what light through yonder window breaks?")
    row = reference(compressed.model, ids)[-1]
    logits = fast.prefill(ids[:-1])
    logits = fast.decode(ids[-1])
    assert float((logits - row).norm() / row.norm()) < 0.02


def test_a_full_runtime_and_a_foreign_token_are_refused(tmp_path: Path) -> None:
    fast = runtime(tiny("llama", tmp_path), "bfloat16", room=2)
    with pytest.raises(ValueError, match="none of the 160"):
        fast.decode(160)
    fast.decode(4)
    fast.decode(5)
    with pytest.raises(ValueError, match="room for 2 tokens"):
        fast.decode(6)


def test_what_the_loop_cannot_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama", tmp_path / "a")
    assert isinstance(model.module, Transformer)
    assert "bfloat16 on the processor" in str(refusal(model.module, torch.float32))
    odd = load(str(tiny_model_folder("llama", tmp_path / "b", intermediate_size=48)), "bfloat16", "cpu")
    assert isinstance(odd.module, Transformer)
    assert "one of 48" in str(refusal(odd.module, torch.bfloat16))
    monkeypatch.setenv(built.DISABLE, "0")
    built.library.cache_clear()
    try:
        plain = runtime(model, "bfloat16")
        assert not isinstance(plain, NativeLlama)
        assert any("switched off" in note for note in plain.notes)
    finally:
        monkeypatch.undo()
        built.library.cache_clear()


def test_without_a_compiler_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    built.library.cache_clear()
    try:
        assert built.library() == (None, built.library()[1])
        assert "no C++ compiler" in built.library()[1]
    finally:
        monkeypatch.undo()
        built.library.cache_clear()


def test_a_compiler_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo broken 1.0; exit 0; }\necho 'no such thing' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    built.library.cache_clear()
    try:
        assert "no such thing" in built.library()[1]
    finally:
        monkeypatch.undo()
        built.library.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("bits", [4, 6])
def test_a_hollow_artefact_decodes_as_the_full_one(bits: int, dtype: str, tmp_path: Path) -> None:
    model = load(str(tiny_model_folder("llama", tmp_path / "m", tie_word_embeddings=True)), "float32", "cpu")
    steps = [{"quantize": {"bits": bits, "group_size": 32}, "layers": "model.layers.*|lm_head"}]
    save(compress(model, Recipe.from_dict({"steps": steps}), Protocol(calibration_tokens=512)), tmp_path / "saved")
    full, hollow = (load_artefact(tmp_path / "saved", dtype, "cpu", hollow=hollow) for hollow in (False, True))
    name = hollow.model.linear_names()[0]
    assert hollow.model.weight(name).stride() == (0, 0), "a hollow weight takes no memory"
    ids = list(range(4, 20))
    one, other = (runtime(source, dtype) for source in (full, hollow))
    assert torch.equal(one.prefill(ids), other.prefill(ids))
    assert torch.equal(one.decode(7), other.decode(7))
