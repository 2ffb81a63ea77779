"""Texts of two models grow in turns, and a compressed model is made once and kept whole.

The model and its kernels are small fakes here: what is tested is the run around them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from optlab import paths
from optlab.errors import Cancelled, ModelError, OptLabError
from optlab.framing import Framing
from optlab.jobs import compressed_cache, generate, model_cache
from optlab.progress import silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.generation import GenerateSpec
from optlab.store import artefacts

FOUR = {"steps": [{"quantize": {"bits": 4}}]}
SPEC = GenerateSpec(
    model="m", recipe=Recipe.from_dict(FOUR), protocol=Protocol(dtype="float32"), prompt="ab", max_tokens=3
)
LETTERS = SimpleNamespace(
    encode=lambda text: [ord(letter) for letter in text],
    decode=lambda ids: "".join(map(chr, ids)),
    special_id=lambda role: {"eos": 0}[role],
)


@dataclass
class Kernels:
    """What the fakes were asked to do; `full` makes the disk full."""

    steps: list[str]
    compressions: int = 0
    loads: int = 0
    full: bool = False


@pytest.fixture
def model() -> SimpleNamespace:
    return SimpleNamespace(
        objective="causal",
        tokenizer=LETTERS,
        config={"eos_token_id": [7, 8]},
        fingerprint="f",
        description=SimpleNamespace(context_length=16),
        framing=lambda bos: Framing(),
    )


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, model: SimpleNamespace) -> Kernels:
    calls = Kernels([])

    def apply(model: Any, recipe: Recipe, protocol: Protocol, progress: Any) -> str:
        calls.compressions += 1
        return "compressed"

    def save(compressed: str, folder: Path, progress: Any) -> int:
        (folder / "weights").write_text(compressed)
        if calls.full:
            raise OSError(28, "No space left on device")
        return 10

    def load_artefact(folder: Path, dtype: str, device: str) -> str:
        calls.loads += 1
        return (folder / "weights").read_text()

    def write(
        runtime: Any, ids: list[int], max_tokens: int, temperature: float, seed: int, stop: frozenset[int]
    ) -> Iterator[tuple[int, Any]]:
        side, letters = ("candidate", "xy") if runtime == "compressed" else ("base", "cde")
        assert ids == [ord("a"), ord("b")]
        assert stop == {0, 7, 8}
        for letter in letters:
            calls.steps.append(side)
            logits = torch.full((128,), -9.0)
            logits[ord(letter)] = 9.0
            yield ord(letter), logits

    fakes: dict[str, dict[str, Any]] = {
        "optlab.compression": {"apply": apply},
        "optlab.kernels.artefact": {"save": save, "load_artefact": load_artefact},
        "optlab.kernels.runtime": {"runtime": lambda model, dtype, room: model, "refusal": lambda model: None},
        "optlab.kernels.generate": {"choices": write},
    }
    for name, attributes in fakes.items():
        module = ModuleType(name)
        module.__dict__.update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(model_cache, "model", lambda *asked: model)
    return calls


def test_both_texts_grow_in_turns_until_both_have_ended(kernels: Kernels) -> None:
    partial: list[Any] = []
    result = generate.execute(SPEC, lambda fraction, message, seen=None: partial.append(seen), lambda line: None)
    parted = result.parted
    assert parted is not None and (parted.position, parted.shared) == (0, "")
    assert {(row.text, row.chosen_by) for row in parted.tokens[:2]} == {("c", ("base",)), ("x", ("candidate",))}
    assert [(one.text, one.tokens) for one in (result.base, result.candidate)] == [("cde", 3), ("xy", 2)]
    assert kernels.steps == ["base", "candidate", "base", "candidate", "base"]
    grown = [seen.base.text for seen in partial if seen]
    assert grown == ["c", "cd", "cde"]
    assert result.base.tokens_per_second > 0


def test_without_a_recipe_only_the_original_writes(kernels: Kernels) -> None:
    result = generate.execute(SPEC.model_copy(update={"recipe": Recipe()}), silent, lambda line: None)
    assert result.candidate is None and result.base.text == "cde"
    assert kernels.compressions == 0


def test_a_cancel_gets_through(kernels: Kernels) -> None:
    def stop(fraction: float, message: str, partial: Any = None) -> None:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        generate.execute(SPEC, stop, lambda line: None)


@pytest.mark.parametrize(("prompt", "sentence"), [("", "at least one word"), ("a" * 14, "14 tokens.*room for 13")])
def test_a_prompt_that_does_not_fit_is_refused(kernels: Kernels, prompt: str, sentence: str) -> None:
    with pytest.raises(OptLabError, match=sentence):
        generate.execute(SPEC.model_copy(update={"prompt": prompt}), silent, lambda line: None)


def test_a_masked_model_is_refused(kernels: Kernels, model: SimpleNamespace) -> None:
    model.objective = "masked"
    with pytest.raises(ModelError, match="causal"):
        generate.execute(SPEC, silent, lambda line: None)


def test_the_second_run_reads_the_artefact_of_the_first(kernels: Kernels) -> None:
    first = generate.execute(SPEC, silent, lambda line: None)
    again = generate.execute(SPEC.model_copy(update={"seed": 7}), silent, lambda line: None)
    assert (kernels.compressions, kernels.loads) == (1, 1)
    assert again.candidate.text == first.candidate.text


def test_a_full_disk_leaves_no_artefact_behind(kernels: Kernels, model: SimpleNamespace) -> None:
    kernels.full = True
    protocol = Protocol.model_validate({"dtype": "float32"})
    with pytest.raises(OSError, match="No space left"):
        compressed_cache.packed(model, Recipe.from_dict(FOUR), protocol)  # type: ignore[arg-type]
    assert list(paths.folder("artefacts").iterdir()) == []


def test_two_processes_that_pack_the_same_recipe_share_one_artefact(kernels: Kernels) -> None:
    folder = artefacts.folder("same")
    for _ in range(2):
        compressed_cache.keep("compressed", folder)  # type: ignore[arg-type]
    assert [path.name for path in folder.parent.iterdir()] == ["same"]
    assert (folder / "weights").read_text() == "compressed"


@pytest.mark.parametrize("setting", [{"calibration": "bbc-news"}, {"seed": 1}, {"context": 64}])
def test_what_changes_the_weights_changes_the_key_and_nothing_else_does(setting: dict[str, Any]) -> None:
    recipe = Recipe.from_dict(FOUR)
    base = Protocol.model_validate({"dtype": "float32"})
    assert artefacts.key("f", recipe, base) != artefacts.key("f", recipe, base.model_copy(update=setting))
    for unrelated in ({"tokens": 64}, {"text": "x"}, {"latency": False}, {"dtype": "bfloat16"}):
        assert artefacts.key("f", recipe, base) == artefacts.key("f", recipe, base.model_copy(update=unrelated))
    assert artefacts.key("g", recipe, base) != artefacts.key("f", recipe, base) != artefacts.key("f", Recipe(), base)


def test_what_a_killed_process_left_is_swept_a_day_later(kernels: Kernels, model: SimpleNamespace) -> None:
    root = paths.folder("artefacts")
    old, young = root / ".unfinished-old", root / ".unfinished-young"
    for left in (old, young):
        left.mkdir()
    os.utime(old, (0, 0))
    _, folder = compressed_cache.packed(model, Recipe.from_dict(FOUR), Protocol.model_validate({"dtype": "float32"}))  # type: ignore[arg-type]
    assert sorted(root.iterdir()) == sorted([young, folder])
