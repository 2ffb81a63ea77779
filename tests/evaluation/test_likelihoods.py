"""Continuations that share what was read before them are as likely as in a plain forward pass of the whole text."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.evaluation.likelihoods import Asked, batches, likelihoods
from optlab.models import load
from optlab.models.language_model import LanguageModel
from tests.tiny import tiny_model_folder

IDS = st.integers(3, 60)
ASKED = [
    Asked((3, 4, 5), ((1, 2), (1, 7, 9), (8,), (1, 2, 4, 4))),
    Asked((9, 9, 2), ((8,), (8, 8))),
]


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(str(tiny_model_folder(request.param, tmp_path_factory.mktemp(request.param) / "tiny")), "float32")


def alone(model: LanguageModel, prompt: tuple[int, ...], choice: tuple[int, ...]) -> float:
    logs = model.logits(torch.tensor([[*prompt, *choice]]))[0].log_softmax(-1)
    return float(sum(logs[len(prompt) - 1 + place, token] for place, token in enumerate(choice)))


@torch.inference_mode()
def check(model: LanguageModel, asked: list[Asked]) -> None:
    for one, found in zip(asked, likelihoods(model, asked), strict=True):
        assert found.tolist() == pytest.approx([alone(model, one.prompt, choice) for choice in one.choices], abs=2e-4)


def test_they_are_those_of_a_plain_pass(model: LanguageModel) -> None:
    check(model, ASKED)


@st.composite
def several(draw: st.DrawFn) -> list[Asked]:
    """Prompts of one length with continuations of any."""
    length = draw(st.integers(1, 9))
    choices = st.lists(st.lists(IDS, min_size=1, max_size=5).map(tuple), min_size=1, max_size=4).map(tuple)
    return draw(st.lists(st.builds(Asked, st.tuples(*[IDS] * length), choices), min_size=1, max_size=4))


@settings(max_examples=10, deadline=None)
@given(several())
def test_whatever_is_asked(model: LanguageModel, asked: list[Asked]) -> None:
    check(model, asked)


def test_a_class_of_transformers_is_asked_without_sharing(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = load(str(tiny_model_folder("llama", tmp_path / "tiny")), "float32")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "tiny", dtype=torch.float32).eval()
    model.module = theirs
    check(model, ASKED)


def test_batches_hold_prompts_of_one_length_and_leave_none_out() -> None:
    asked = [Asked(tuple(range(3, 3 + length)), ((1,) * 700,)) for length in (5, 9, 5, 5, 9, 5)]
    found = list(batches(asked))
    assert sorted(number for batch in found for number in batch) == list(range(6))
    assert all(len({len(asked[number].prompt) for number in batch}) == 1 for batch in found)
    assert found[0] == [1, 4] and max(map(len, found)) == 2
