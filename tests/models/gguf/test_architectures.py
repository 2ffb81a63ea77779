"""Every architecture: a model that transformers made, as llama.cpp writes it, gives transformers' logits again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from optlab.models import load
from optlab.models.catalog import resolve
from tests.models.gguf.written import CASES, make, write


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_the_converted_model_computes_what_its_source_does(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model = make(case, tmp_path / "source")
    file = write(model, case, tmp_path / "source", tmp_path / "m.gguf")
    ids = torch.arange(4, 64).reshape(2, -1)
    expected = model(input_ids=ids, use_cache=False).logits
    folder = resolve(str(file))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    torch.testing.assert_close(theirs(input_ids=ids, use_cache=False).logits, expected, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(load(str(file), device="cpu").logits(ids), expected, atol=1e-4, rtol=1e-3)
