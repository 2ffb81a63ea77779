"""lm-evaluation-harness through our adapter: two local tasks, with log-likelihoods of a plain pass and paired flips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optlab.errors import OptLabError
from optlab.evaluation import harness
from optlab.evaluation.task_statistics import paired_values
from optlab.models import load
from optlab.models.language_model import LanguageModel
from tests.tiny import tiny_model_folder

TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{prompt}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{label}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""


@pytest.fixture
def model(tmp_path: Path) -> LanguageModel:
    return load(str(tiny_model_folder("llama", tmp_path / "tiny")), "float32")


def test_a_continuation_is_as_likely_as_in_a_plain_pass(model: LanguageModel) -> None:
    asked = [([3, 4, 5], [6]), ([7], [8, 9, 10, 11]), ([3, 3, 3, 3, 3], [4, 5])]
    for (context, new), (total, same) in zip(asked, harness.continuations(model, asked), strict=True):
        with torch.inference_mode():
            logs = model.logits(torch.tensor([context + new]))[0].log_softmax(-1)[len(context) - 1 : -1]
        assert total == pytest.approx(float(logs[torch.arange(len(new)), torch.tensor(new)].sum()), abs=1e-4)
        assert same == (logs.argmax(1).tolist() == new)


def test_shares_are_told_with_flips_and_other_scores_without() -> None:
    found = paired_values("acc", np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 1, 1]))
    assert (found.base.score, found.candidate.score, found.delta.lost, found.delta.won) == (0.5, 0.75, 1, 2)
    found = paired_values("bleu", np.array([0.5, 0.25]), np.array([0.25, 0.25]))
    assert (found.delta.score, found.delta.lost, found.delta.won) == (-0.125, 0, 0)


def test_items_are_paired_by_their_number() -> None:
    base = [{"doc_id": number, "metrics": ["acc"], "acc": value} for number, value in enumerate((1.0, 0.0, 1.0))]
    found = harness._compared(base, [{**one, "acc": 1.0} for one in reversed(base)])
    assert (found.delta.won, found.delta.lost, found.questions) == (1, 0, 3)


def test_two_local_tasks_are_asked_of_both(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="the rest of this file needs no harness")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    rows = [
        {"prompt": f"the {number} and", "choices": ["one", "two", "three"], "label": number % 3} for number in range(9)
    ]
    for name in ("first_local", "second_local"):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)))
        (tmp_path / f"{name}.yaml").write_text(TASK.format(name=name, file=file))
    other = load(str(tiny_model_folder("llama", tmp_path / "other", seed=1)), "float32")
    found = harness.evaluate(model, other, ["first_local", "second_local"], tmp_path)
    assert list(found) == ["first_local", "second_local"]
    for result in found.values():
        assert (result.metric, result.questions) == ("acc", 9)
        assert result.base.score == pytest.approx(_right(model, rows))
        assert result.candidate.score == pytest.approx(_right(other, rows))
        assert result.delta.won - result.delta.lost == round(9 * (result.candidate.score - result.base.score))
    with pytest.raises(OptLabError, match="knows no task 'chess_local'"):
        harness.evaluate(model, other, ["chess_local"], tmp_path)


def _right(model: LanguageModel, rows: list[dict[str, Any]]) -> float:
    """Share of rows whose true choice is the likeliest, by a plain pass of the whole text."""
    right = 0
    for row in rows:
        before = model.tokenizer.encode(row["prompt"])
        scores = []
        for choice in row["choices"]:
            ids = model.tokenizer.encode(f"{row['prompt']} {choice}")
            start = list(model.framing().before)
            with torch.inference_mode():
                logs = model.logits(torch.tensor([start + ids]))[0].log_softmax(-1)
            places = range(len(start) + len(before), len(start) + len(ids))
            scores.append(sum(float(logs[place - 1, (start + ids)[place]]) for place in places))
        right += int(np.argmax(scores)) == row["label"]
    return right / len(rows)
