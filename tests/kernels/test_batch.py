"""Texts that are continued together are continued as each of them would be alone, on every kind of runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optlab.compression import Compressed, compress
from optlab.errors import MeasurementError
from optlab.kernels.batch import HubBatch, LlamaBatch, batch
from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native import library as built
from optlab.kernels.native.batch import MOST_TOGETHER, NativeBatch
from optlab.kernels.runtime import Runtime, runtime
from optlab.models import load
from optlab.models.transformer import Transformer
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.tiny import tiny_model_folder

NATIVE = pytest.mark.skipif(built.library()[0] is None, reason=built.library()[1] or "the library is there")


def prompts(count: int, length: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(4, 160, (count, length), generator=generator).tolist()


def alone(runs: Runtime, ids: list[int], more: list[int]) -> torch.Tensor:
    """Logits [1 + len(more), V]: after the prompt, and after each further token."""
    runs.reset()
    return torch.stack([runs.prefill(ids).clone(), *(runs.decode(token).clone() for token in more)]).float()


def together(runs: Runtime, texts: list[list[int]], more: list[list[int]]) -> torch.Tensor:
    """As `alone`, [B, ...]."""
    growing = batch(runs, len(texts))
    found = [growing.start(texts), *(growing.step([each[i] for each in more]) for i in range(len(more[0])))]
    return torch.stack([one.clone() for one in found], dim=1).float()


def quantized(family: str, folder: Path, bits: int, group: int | None) -> Compressed:
    recipe = Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": bits, "group_size": group}}]})
    wider = tiny_model_folder(family, folder, hidden_size=128, intermediate_size=192)
    return compress(load(str(wider), "float32", "cpu"), recipe, Protocol(text="bbc-news"))


@NATIVE
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize(("bits", "group"), [(4, 64), (4, 32), (8, 64)])
def test_the_loop_gives_every_text_the_bits_that_it_has_alone(
    count: int, bits: int, group: int, tmp_path: Path
) -> None:
    runs = runtime(quantized("llama", tmp_path, bits, group), "bfloat16", 64)
    texts, more = prompts(count, 11), prompts(count, 5)
    expected = torch.stack([alone(runs, ids, rest) for ids, rest in zip(texts, more, strict=True)])
    assert torch.equal(together(runs, texts, more), expected)


@NATIVE
def test_texts_of_different_lengths_and_any_number_of_threads(tmp_path: Path) -> None:
    runs = runtime(load(str(tiny_model_folder("qwen2", tmp_path)), "bfloat16", "cpu"), "bfloat16", 64)
    texts, more = [list(range(4, 4 + length)) for length in (1, 30, 17)], prompts(3, 4)
    expected = torch.stack([alone(runs, ids, rest) for ids, rest in zip(texts, more, strict=True)])
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            torch.testing.assert_close(together(runs, texts, more), expected, atol=1e-4, rtol=1e-4)
    finally:
        torch.set_num_threads(before)


@NATIVE
def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    runs = runtime(load(str(tiny_model_folder("llama", tmp_path)), "bfloat16", "cpu"), "bfloat16", 8)
    with pytest.raises(ValueError, match=f"1 to {MOST_TOGETHER} texts at once"):
        batch(runs, MOST_TOGETHER + 1)
    full = batch(runs, 2)
    assert isinstance(full, NativeBatch)
    full.start(prompts(2, 8))
    with pytest.raises(ValueError, match="room for 8 tokens, 9 are needed"):
        full.step([5, 6])
    full.start(prompts(2, 4))
    with pytest.raises(ValueError, match="none of the"):
        full.step([5, 10_000])


@pytest.mark.parametrize("family", ["llama", "gemma", "qwen2"])
def test_torchs_operators_continue_texts_together(family: str, tmp_path: Path) -> None:
    model = load(str(tiny_model_folder(family, tmp_path)), "float32", "cpu")
    assert isinstance(model.module, Transformer)
    runs = LlamaRuntime(model.module, {}, torch.float32, 64, [])
    runs.path = "eager"
    assert isinstance(batch(runs, 3), LlamaBatch)
    texts, more = prompts(3, 9), prompts(3, 4)
    expected = torch.stack([alone(runs, ids, rest) for ids, rest in zip(texts, more, strict=True)])
    torch.testing.assert_close(together(runs, texts, more), expected, atol=2e-5, rtol=1e-4)


def test_transformers_continues_texts_together(tmp_path: Path) -> None:
    runs = runtime(load(str(tiny_model_folder("opt", tmp_path)), "float32", "cpu"), "float32")
    assert isinstance(batch(runs, 3), HubBatch)
    texts, more = prompts(3, 9), prompts(3, 4)
    expected = torch.stack([alone(runs, ids, rest) for ids, rest in zip(texts, more, strict=True)])
    torch.testing.assert_close(together(runs, texts, more), expected, atol=2e-5, rtol=1e-4)


def test_rounded_keys_and_values_are_timed_alone(tmp_path: Path) -> None:
    recipe = Recipe.from_dict({"steps": [{"cache": {"bits": 8}}]})
    model = load(str(tiny_model_folder("llama", tmp_path)), "float32", "cpu")
    made = compress(model, recipe, Protocol(text="bbc-news"))
    with pytest.raises(MeasurementError, match="one text only"):
        batch(runtime(made, "float32"), 2)
