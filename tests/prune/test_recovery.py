"""What half of nano's weights cost comes back by training what is left, on this machine, within a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.compression import compress
from optlab.evaluation.perplexity import perplexity
from optlab.models import load
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.texts import evaluation_tokens
from tests.compressing import Step, prune

CONTEXT = 512
RECOVERY: Step = {"distill": {"alpha": 0.0, "temperature": 1.0, "learning_rate": 5e-4, "steps": 80, "seconds": 45.0}}


@pytest.mark.slow
def test_recovery_wins_back_half_of_what_pruning_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    model = load("nano", "float32")
    ids = evaluation_tokens("shakespeare", model.tokenizer, 8 * CONTEXT)
    protocol = Protocol(text="shakespeare", context=CONTEXT, dtype="float32")
    original = perplexity(model, ids, CONTEXT).nll

    def lost(*steps: Step) -> float:
        result = compress(model, Recipe.from_dict({"steps": list(steps)}), protocol)
        names = model.linear_names()
        zeros = sum(int((result.model.weight(name) == 0).sum()) for name in names)
        assert zeros >= 0.49 * sum(model.weight(name).numel() for name in names)
        return perplexity(result.model, ids, CONTEXT).nll - original

    half = prune(method="magnitude", sparsity=0.5)
    pruned = lost(half)
    assert pruned > 0.02  # something was lost, else nothing can come back
    assert lost(half, RECOVERY) <= pruned / 2
