"""What is written is what transformers' greedy search writes, and is judged as its task says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from optlab.evaluation import writing
from optlab.evaluation.task_statistics import compared_writing
from optlab.evaluation.tasks import Question, task
from optlab.evaluation.uncertain import Tokens, held, tokens
from optlab.evaluation.written import exact_match
from optlab.framing import Framing
from optlab.models import load
from tests.evaluation.fakes import TableModel, random_model
from tests.tiny import tiny_model_folder


def test_a_batch_is_continued_as_transformers_does(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = load(str(tiny_model_folder("llama", tmp_path / "tiny")), "float32")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "tiny", dtype=torch.float32).eval()
    prompts = [(5, 9, 3), (7, 2, 8), (4, 4, 4)]
    expected = theirs.generate(torch.tensor(prompts), max_new_tokens=6, do_sample=False, eos_token_id=None)
    found = writing.greedy(model, prompts, 6)
    end = model.tokenizer.special_id("eos")
    for row, ids in zip(expected[:, 3:].tolist(), found, strict=True):
        assert ids == (row[: row.index(end)] if end in row else row)
    model.module = theirs
    assert writing.greedy(model, prompts, 6) == found


def test_written_answers_are_judged_in_pairs() -> None:
    asked = [Question("", "?", ("Paris", "the city of Paris"), 0), Question("", "?", ("4",), 0)]
    found = compared_writing("exact_match", asked, ["paris", "5"], ["Rome", "4."],
                             lambda question, text: float(exact_match(question.choices, text)))  # fmt: skip
    assert (found.base.score, found.candidate.score) == (0.5, 0.5)
    assert (found.delta.lost, found.delta.won) == (1, 1)
    assert [(one.base, one.candidate) for one in found.written] == [("paris", "Rome"), ("5", "4.")]


@pytest.mark.parametrize("name", ["short_summary", "short_answer", "short_translation"])
def test_the_reference_itself_scores_one(name: str) -> None:
    asked = task(name)
    for question in asked.questions()[:20]:
        assert asked.judge(question, question.answer) == pytest.approx(1.0)
        assert asked.judge(question, "qqqq") < 0.05


def test_flips_are_where_the_likeliest_token_differs() -> None:
    base, other = random_model(0), random_model(1)
    windows = [[1, 2, 3, 4], [5, 6, 7, 8]]
    found = tokens(base, other, windows, Framing())  # type: ignore[arg-type]
    for row, window in enumerate(windows):
        logs, others = (model.module.weight[window[:-1]].log_softmax(-1) for model in (base, other))
        best = logs.sort(descending=True).values
        assert found.margin[row] == pytest.approx((best[:, 0] - best[:, 1]).numpy(), abs=1e-5)
        assert found.flipped[row].tolist() == (logs.argmax(1) != others.argmax(1)).tolist()


def test_the_threshold_comes_from_the_other_text() -> None:
    learned = Tokens(np.arange(100.0).reshape(10, 10), np.zeros((10, 10), dtype=bool))
    margin = np.tile([5.0, 15.0, 50.0, 60.0], (6, 1))
    flipped = np.tile([True, True, True, False], (6, 1))
    found = held(learned, Tokens(margin, flipped), share=0.2)
    assert found.threshold == pytest.approx(19.8)
    assert (found.uncertain, found.held, found.flips) == pytest.approx((0.5, 2 / 3, 0.75))
    assert found.ci95 == pytest.approx((2 / 3, 2 / 3))


def test_who_flips_at_random_is_not_foreseen() -> None:
    rng = np.random.default_rng(0)
    one, other = (Tokens(rng.random((50, 40)), rng.random((50, 40)) < 0.1) for _ in range(2))
    found = held(one, other)
    assert found.ci95 is not None and found.ci95[0] < 0.2 < found.ci95[1]


def test_the_table_of_a_model_decides_what_it_writes() -> None:
    table = torch.zeros(29, 29)
    for letter in range(26):
        table[letter, (letter + 1) % 26] = 1.0
    assert writing.greedy(TableModel(table), [(0, 1)], 3) == [[2, 3, 4]]  # type: ignore[arg-type]
