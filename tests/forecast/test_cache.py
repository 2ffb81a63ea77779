"""Keys and values take what our own runtime reads of them, and what their codes and ranges add up to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import ModelError
from optlab.forecast.cache import Block, blocks_of, cache_bytes
from optlab.kernels.runtime import runtime
from optlab.recipes import Recipe, Step
from tests.tiny import tiny_model_folder


def rounded(bits: int, keys: str, group: int) -> Step:
    return Step("cache", "kv", {"bits": bits, "keys": keys, "group": group})


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_it_is_what_our_runtime_reads(family: str, tmp_path: Path) -> None:
    from optlab.models import load

    model = load(str(tiny_model_folder(family, tmp_path / family)))
    blocks = blocks_of(model.config, model.objective)
    found = cache_bytes(blocks, model.description, Recipe(), 10)
    assert found == 10 * runtime(model, "bfloat16").bytes_per_position


def test_a_window_keeps_no_more_than_its_tokens() -> None:
    assert Block(2, 16, window=8).nbytes(100) == Block(2, 16).nbytes(8)
    assert Block(2, 16, window=8).nbytes(5) == Block(2, 16).nbytes(5)


@given(
    bits=st.integers(2, 8), tokens=st.integers(1, 300), group=st.integers(2, 70), heads=st.integers(1, 4),
    size=st.sampled_from([16, 64, 128]), keys=st.sampled_from(["token", "channel"]),
)  # fmt: skip
def test_rounded_ones_are_codes_and_ranges(
    bits: int, tokens: int, group: int, heads: int, size: int, keys: str
) -> None:
    full = tokens if keys == "token" else tokens - tokens % group
    ranges = 2 * full if keys == "token" else full + full // group * size
    expected = heads * (2 * full * size * bits / 8 + 4 * ranges + 2 * 2 * (tokens - full) * size)
    assert Block(heads, size).nbytes(tokens, rounded(bits, keys, group)) == pytest.approx(expected, abs=heads)


def test_only_the_blocks_that_are_named_round(tmp_path: Path) -> None:
    from optlab.models.describe import describe

    folder = tiny_model_folder("llama", tmp_path / "llama")
    description = describe(str(folder))
    blocks = [Block(2, 16), Block(2, 16)]
    step = rounded(4, "token", 64)
    half = Recipe.of(Step(step.kind, step.method, step.values, "model.layers.0.*"))
    assert cache_bytes(blocks, description, half, 10) == blocks[0].nbytes(10, step) + blocks[1].nbytes(10)


def test_families_of_transformers_are_read_by_the_usual_names() -> None:
    config = {
        "model_type": "mixtral", "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 2,
        "hidden_size": 64,
    }  # fmt: skip
    assert blocks_of(config, "causal") == [Block(2, 8)] * 3
    assert blocks_of({"model_type": "bert"}, "masked") == []


def test_recurrent_models_keep_something_else() -> None:
    with pytest.raises(ModelError, match="does not say how many keys and values"):
        blocks_of({"model_type": "mamba", "num_hidden_layers": 2, "hidden_size": 32}, "causal")
