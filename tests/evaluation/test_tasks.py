"""Tasks: the likelihood of an answer is that of a plain forward pass, and what flips is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from optlab.errors import MeasurementError, ModelError
from optlab.evaluation import choices
from optlab.evaluation.tasks import Question, Task, task, tasks
from optlab.results.tasks import AccuracyDelta
from optlab.texts.splits import evaluation_documents, training_documents
from optlab.texts.topics import LABELS
from tests.evaluation.fakes import TableModel, random_model

ASK = "\n\nTopic:"


class Speller:
    """A tokenizer of the alphabet; whatever is no letter is left out."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - 97 for letter in text.lower() if letter.isalpha()]


def speller(table: torch.Tensor, **more: Any) -> TableModel:
    model = TableModel(table, **more)
    model.tokenizer = Speller()  # type: ignore[assignment]
    return model


def test_the_likelihood_of_a_choice_is_that_of_the_whole_text() -> None:
    model = random_model()
    prompt, labels = [3, 4, 5], [[1, 2], [1, 7, 9], [8]]
    found = choices.likelihoods(model, prompt, labels)  # type: ignore[arg-type]
    for label, told in zip(labels, found, strict=True):
        ids = torch.tensor([prompt + label])
        logs = model.logits(ids)[0].log_softmax(-1)
        expected = sum(logs[len(prompt) - 1 + place, token] for place, token in enumerate(label))
        assert told == pytest.approx(float(expected), abs=1e-5)


def test_choices_that_differ_in_their_last_token_share_a_pass() -> None:
    model = random_model()
    choices.likelihoods(model, [3], [[1, 2], [1, 7], [4], [5]])  # type: ignore[arg-type]
    assert [ids.tolist() for ids in model.passes] == [[[3, 1]], [[3]]]


def test_a_model_that_ignores_the_article_is_not_led_by_the_frequency_of_a_name() -> None:
    table = torch.zeros(29, 29)
    table[2, 0] = 50.0  # after "topic" it always wants to say "a..."
    model = speller(table)
    asked = [Question("xyz", ASK, ("apple", "berry"), right) for right in (0, 1)]
    alone = choices.likelihoods(model, Speller().encode(ASK), [Speller().encode("apple"), [1]])  # type: ignore[arg-type]
    assert alone[0] > alone[1]
    found = choices.accuracy(model, asked)  # type: ignore[arg-type]
    assert found.right == (True, False)  # equal after the correction, so the first of the alphabet


class Reader(TableModel):
    """Says the topic that begins with the first letter of the article."""

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros(*ids.shape, 29)
        rows[..., int(ids[0, 0])] = 10.0
        return rows


def reader() -> Reader:
    model = Reader(torch.zeros(29, 29))
    model.tokenizer = Speller()  # type: ignore[assignment]
    return model


ASKED = [
    Question(text, ASK, ("a", "b", "c"), right)
    for text, right in [("apples grow", 0), ("berries grow", 1), ("cherries", 2), ("a berry", 1)]
]


def test_the_difference_is_paired_and_flips_are_counted_both_ways() -> None:
    blind = speller(torch.zeros(29, 29))  # says "a" always
    found = choices.compare(blind, reader(), ASKED)  # type: ignore[arg-type]
    assert (found.base.accuracy, found.candidate.accuracy) == (0.25, 0.75)
    assert found.delta.accuracy == 0.5
    assert (found.delta.lost, found.delta.won) == (0, 2)
    assert found.always_the_same == 0.5
    low, high = found.delta.ci95
    assert low < 0.5 < high
    same = choices.compare(reader(), reader(), ASKED)  # type: ignore[arg-type]
    assert same.delta == AccuracyDelta(accuracy=0.0, ci95=(0.0, 0.0), lost=0, won=0)


def test_progress_goes_from_nothing_to_all() -> None:
    seen: list[float] = []
    choices.compare(reader(), reader(), ASKED, lambda done, said, partial=None: seen.append(done))  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_model_that_fills_gaps_is_not_asked() -> None:
    with pytest.raises(ModelError, match="fills gaps"):
        choices.accuracy(random_model(objective="masked"), ASKED)  # type: ignore[arg-type]


@pytest.mark.parametrize(("right", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634),
                                                          (10, 10, 0.7225, 1.0)])  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert np.allclose(choices.wilson(right, of), (low, high), atol=1e-4)  # values of Agresti and Coull 1998's formula


@pytest.mark.parametrize("one", tasks(), ids=lambda one: one.name)
def test_every_task_asks_the_same_of_the_evaluation_side_each_time(one: type[Task]) -> None:
    questions = one.questions()
    assert len(questions) >= 100
    assert questions == one.questions()
    assert one.title and one.summary and one.source
    own, foreign = ("\n".join(" ".join(text.split()) for text in side("bbc-news")) for side in (
        evaluation_documents, training_documents))  # fmt: skip
    for question in questions:
        read = " ".join(question.text.split())
        assert question.ask and len(set(question.choices)) == len(question.choices)
        assert read in own and read not in foreign


def test_topics_are_the_names_of_the_folders() -> None:
    questions = task("topics").questions()
    assert {question.answer for question in questions} == {f" {label}" for label in LABELS.values()}
    assert 0.2 <= choices.most_common_share(questions) < 0.6


def test_the_next_sentence_follows_what_was_read_and_the_others_do_not() -> None:
    questions = task("next_sentence").questions()
    articles = [" ".join(text.split()) for text in evaluation_documents("bbc-news")]
    for question in questions:
        (article,) = (text for text in articles if text.startswith(question.text))
        endings = [choice for choice in question.choices if article.startswith(f"{question.text} {choice}")]
        assert endings == [question.answer]
    assert [sum(question.right == place for question in questions) for place in range(4)] == [25, 25, 25, 25]


def test_a_task_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(MeasurementError, match="there is no task 'chess'; there are topics, next_sentence"):
        task("chess")
