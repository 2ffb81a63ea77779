"""Devices and precisions that are not here are refused in words."""

from __future__ import annotations

import pytest
import torch

from optlab.errors import ModelError
from optlab.machine import identity, processor
from optlab.models.device import choose_device, choose_dtype, trains_in_bfloat16


def test_auto_is_the_fastest_device_that_torch_has() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu9", "", "cuda:x", "cuda:99", "meta"])
def test_a_device_that_is_not_here(name: str) -> None:
    with pytest.raises(ModelError, match="use auto"):
        choose_device(name)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx2"}, torch.float32),
        ({"avx512_bf16"}, torch.float32),
        ({"avx512_bf16", "amx_bf16"}, torch.bfloat16),
        ({"bf16"}, torch.bfloat16),
        (set(), torch.float32),
    ],
)
def test_auto_precision_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], expected: torch.dtype
) -> None:
    monkeypatch.setattr(processor, "cpu_flags", lambda: frozenset(flags))
    assert choose_dtype("auto", torch.device("cpu")) == expected
    assert f"torch.{identity.reading_dtype('cpu')}" == str(expected)


@pytest.mark.parametrize(
    ("flags", "expected"), [({"avx2"}, False), ({"avx512_bf16"}, True), ({"amx_bf16"}, True), ({"bf16"}, True)]
)
def test_decoding_and_training_want_instructions_only(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], expected: bool
) -> None:
    monkeypatch.setattr(processor, "cpu_flags", lambda: frozenset(flags))
    assert (identity.decoding_dtype("cpu") == "bfloat16") is expected
    assert trains_in_bfloat16(torch.device("cpu")) is expected


def test_a_precision_that_is_not_offered() -> None:
    assert choose_dtype(torch.bfloat16, torch.device("cpu")) == torch.bfloat16
    with pytest.raises(ModelError, match="use auto, float32, bfloat16, float16"):
        choose_dtype("int8", torch.device("cpu"))
