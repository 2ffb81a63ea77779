"""Attention as it is listened to, against transformers' own attention matrices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from optlab.distill.attention import Attentions
from optlab.errors import RecipeError
from optlab.models import load
from tests.tiny import tiny_model_folder


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_attention_equals_that_of_transformers(family: str, tmp_path: Path) -> None:
    folder = tiny_model_folder(family, tmp_path)
    model = load(str(folder))
    ids = torch.tensor([[5, 9, 30, 7, 7, 81], [3, 3, 90, 4, 12, 6]])
    listening = Attentions(model)
    with torch.inference_mode():
        model.logits(ids)
        reference = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
        expected = reference(ids, output_attentions=True).attentions
    found = listening.states()
    assert len(found) == len(expected) == 2
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own.exp(), other, atol=1e-5, rtol=1e-4)
    listening.close()
    with torch.inference_mode():
        model.logits(ids)
    assert not listening.states()


def test_attention_of_another_familys_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="runs through transformers"):
        Attentions(load(str(tiny_model_folder("opt", tmp_path))))
