"""Whatever a config says: a model that goes through transformers has transformers' logits and perplexity here.

What is compared is all that lies around transformers' class: which tensors are weights and under which names, experts
taken apart, tied heads, trained buffers, windows and masks of the evaluation.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from optlab.evaluation.perplexity import perplexity
from optlab.models import load
from optlab.texts.passage import Passage
from tests.models.library_variants import VARIED, changes, masked
from tests.tiny import tiny_model_folder

MASK = 2
"""The id of [MASK] in the tokenizer of `tests.tiny`."""
CONTEXT = 12


@torch.no_grad()
def truth(folder: Path, ids: torch.Tensor, is_masked: bool) -> tuple[torch.Tensor, float]:
    """(logits, perplexity) by transformers alone; pseudo-perplexity of a masked model."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    kind: Any = AutoModelForMaskedLM if is_masked else AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    model.config.use_cache = False
    losses = []
    for window in ids[0].split(CONTEXT):
        if is_masked:
            each = window.repeat(CONTEXT, 1)
            each.fill_diagonal_(MASK)
            logits = model(input_ids=each).logits.diagonal().T
            losses.append(F.cross_entropy(logits, window, reduction="none"))
        else:
            losses.append(F.cross_entropy(model(input_ids=window[None]).logits[0, :-1], window[1:], reduction="none"))
    return model(input_ids=ids).logits, math.exp(torch.cat(losses).mean().item())


def compare(folder: Path, family: str, changed: dict[str, Any], seed: int) -> None:
    tiny_model_folder(family, folder, seed=seed, **changed)
    ids = torch.randint(4, 130, (1, 3 * CONTEXT), generator=torch.Generator().manual_seed(seed))
    expected, ppl = truth(folder, ids, masked(family))
    model = load(str(folder), "float32", "cpu")
    with torch.inference_mode():
        found = model.logits(ids)
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-4, rtol=1e-4)
    assert perplexity(model, Passage(ids[0].tolist()), CONTEXT).ppl == pytest.approx(ppl, rel=1e-4)


RULES = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # values are few; making them simpler takes minutes
)


@pytest.mark.parametrize("family", sorted(VARIED))
@settings(RULES, max_examples=2)
@given(data=st.data(), seed=st.integers(0, 99))
def test_logits_and_perplexity_are_those_of_transformers(
    family: str, data: st.DataObject, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compare(tmp_path_factory.mktemp(family), family, data.draw(changes(family)), seed)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(VARIED))
@settings(RULES, max_examples=15)
@given(data=st.data(), seed=st.integers(0, 999))
def test_so_they_are_of_many_variants(
    family: str, data: st.DataObject, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compare(tmp_path_factory.mktemp(family), family, data.draw(changes(family)), seed)
