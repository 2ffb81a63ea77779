"""Two models stay in memory, and only as long as their files are what was loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from optlab.jobs import model_cache


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    state = SimpleNamespace(fingerprint="f", loaded=[])
    describe = ModuleType("optlab.models.describe")
    describe.__dict__["describe_apart"] = lambda name, progress: SimpleNamespace(fingerprint=state.fingerprint)

    def read(name: str, dtype: str, device: str, progress: object) -> object:
        state.loaded.append((name, dtype))
        return object()

    monkeypatch.setitem(sys.modules, describe.__name__, describe)
    monkeypatch.setattr("optlab.models.load", read)
    yield state
    model_cache.forget()


def test_a_model_is_loaded_once_per_precision(disk: SimpleNamespace) -> None:
    first = model_cache.model("a", "float32")
    assert model_cache.model("a", "float32") is first
    assert model_cache.model("a", "bfloat16") is not first
    assert disk.loaded == [("a", "float32"), ("a", "bfloat16")]


def test_the_model_used_longest_ago_makes_room_for_a_third(disk: SimpleNamespace) -> None:
    kept = model_cache.model("a", "float32")
    model_cache.model("b", "float32")
    assert model_cache.model("a", "float32") is kept
    model_cache.model("c", "float32")
    assert model_cache.model("a", "float32") is kept
    model_cache.model("b", "float32")
    assert [name for name, _ in disk.loaded] == ["a", "b", "c", "b"]


def test_changed_weights_are_loaded_again(disk: SimpleNamespace) -> None:
    first = model_cache.model("a", "float32")
    disk.fingerprint = "g"
    assert model_cache.model("a", "float32") is not first
