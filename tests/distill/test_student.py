"""Where a student begins: spaced blocks, the most influential ones, or nothing."""

from __future__ import annotations

import math

import pytest
import torch

from optlab.compression import compress
from optlab.errors import RecipeError
from optlab.models.language_model import LanguageModel
from optlab.recipes import Recipe
from tests.distill.conftest import protocol_on

STILL = {"steps": 1, "learning_rate": 1e-7, "alpha": 1.0}
"""Settings that train nothing, so that the start can be seen."""


def test_the_most_influential_block_is_kept(teacher: LanguageModel, distil) -> None:
    with torch.no_grad():  # block 0 hardly adds anything to what passes through it
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            teacher.weight(f"model.layers.0.{name}").mul_(1e-3)
    kept = "self_attn.q_proj"
    for start, block in (("spaced", 0), ("influence", 1)):
        student = distil(teacher, start=start, **STILL).model
        found = student.weight(f"model.layers.0.{kept}")
        torch.testing.assert_close(found, teacher.weight(f"model.layers.{block}.{kept}"), atol=1e-4, rtol=1e-3)


def test_a_student_from_scratch_knows_nothing_and_follows_its_seed(teacher: LanguageModel, distil) -> None:
    one, again = (distil(teacher, start="scratch", student_layers=None, **STILL) for _ in range(2))
    assert len(one.model.blocks()) == len(teacher.blocks())
    held_out = one.trainings[0].held_out[0][1]
    assert held_out == pytest.approx(math.log(teacher.description.vocabulary), abs=0.1)
    pairs = zip(one.model.module.parameters(), again.model.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    embedding = teacher.structure.embedding
    overlap = torch.cosine_similarity(one.model.weight(embedding).flatten(), teacher.weight(embedding).flatten(), dim=0)
    assert overlap.abs() < 0.1


def test_a_start_from_scratch_after_pruning_is_refused(teacher: LanguageModel, varied: str) -> None:
    recipe = Recipe.from_dict({"steps": [{"prune": {"sparsity": 0.5}}, {"distill": {"start": "scratch", "steps": 1}}]})
    with pytest.raises(RecipeError, match="forgets what was pruned"):
        compress(teacher, recipe, protocol_on(varied))
