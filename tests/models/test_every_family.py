"""Families that run through transformers: perplexity and decoding are those of transformers' own classes."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch

from optlab.errors import MeasurementError
from optlab.evaluation.perplexity import perplexity
from optlab.kernels.runtime import runtime
from optlab.models import load
from optlab.texts.passage import Passage
from tests.tiny import MIXTURES, RECURRENT, SHARED, tiny_model_folder

CAUSAL = [family for family, (kind, _) in {**MIXTURES, **RECURRENT, **SHARED}.items() if kind.endswith("CausalLM")]

# Bamba is left out where tokens follow each other: transformers' own logits with its cache differ from those without.


@torch.no_grad()
def truth(folder: Path, ids: list[int], context: int) -> float:
    """Perplexity over windows that do not overlap, by transformers alone."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    losses = []
    for start in range(0, len(ids) - context + 1, context):
        window = torch.tensor([ids[start : start + context]])
        logits = model(input_ids=window, use_cache=False).logits[0]
        losses.append(torch.nn.functional.cross_entropy(logits[:-1], window[0, 1:], reduction="none"))
    return math.exp(torch.cat(losses).mean().item())


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("family", CAUSAL)
def test_perplexity_is_that_of_transformers(family: str, seed: int, tmp_path: Path) -> None:
    draw = random.Random(f"{family}{seed}")
    changes = {"tie_word_embeddings": draw.random() < 0.5} if family in MIXTURES else {}
    folder = tiny_model_folder(family, tmp_path, seed=seed, **changes)
    context = draw.randint(2, 40)
    ids = [draw.randrange(4, 150) for _ in range(3 * context + draw.randrange(context))]
    found = perplexity(load(str(folder)), Passage(ids), context)
    assert found.ppl == pytest.approx(truth(folder, ids, context), rel=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("family", [family for family in CAUSAL if family not in ("recurrent_gemma", "bamba")])
def test_tokens_decoded_one_by_one_have_the_logits_of_the_whole_text(family: str, tmp_path: Path) -> None:
    model = load(str(tiny_model_folder(family, tmp_path)))
    ids = list(range(5, 25))
    writer = runtime(model, "float32")
    writer.reset()
    logits = [writer.prefill(ids[:12])] + [writer.decode(token) for token in ids[12:]]
    torch.testing.assert_close(torch.stack(logits), model.logits(torch.tensor([ids]))[0, 11:], rtol=1e-3, atol=1e-3)


def test_a_model_without_a_memory_of_earlier_tokens_has_no_latency(tmp_path: Path) -> None:
    model = load(str(tiny_model_folder("recurrent_gemma", tmp_path)))
    with pytest.raises(MeasurementError, match="hands out no memory of earlier tokens"):
        runtime(model, "float32")
