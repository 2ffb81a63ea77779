"""Topics of articles: the likelihood of a name is that of a plain forward pass, and what flips is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from optlab.errors import ModelError
from optlab.evaluation import topics
from optlab.results.tasks import AccuracyDelta
from optlab.texts.topics import LABELS, Article, articles, most_common_share
from tests.evaluation.fakes import TableModel, random_model


class Speller:
    """A tokenizer of the alphabet; whatever is no letter is left out."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - 97 for letter in text.lower() if letter.isalpha()]


def speller(table: torch.Tensor, **more: Any) -> TableModel:
    model = TableModel(table, **more)
    model.tokenizer = Speller()  # type: ignore[assignment]
    return model


def test_the_likelihood_of_a_label_is_that_of_the_whole_text() -> None:
    model = random_model()
    prompt, labels = [3, 4, 5], [[1, 2], [1, 7, 9], [8]]
    found = topics.likelihoods(model, prompt, labels)  # type: ignore[arg-type]
    for label, told in zip(labels, found, strict=True):
        ids = torch.tensor([prompt + label])
        logs = model.logits(ids)[0].log_softmax(-1)
        expected = sum(logs[len(prompt) - 1 + place, token] for place, token in enumerate(label))
        assert told == pytest.approx(float(expected), abs=1e-5)


def test_labels_that_begin_alike_share_a_pass() -> None:
    model = random_model()
    topics.likelihoods(model, [3], [[1, 2], [1, 7]])  # type: ignore[arg-type]
    assert len(model.passes) == 2


def test_a_model_that_ignores_the_article_is_not_led_by_the_frequency_of_a_name() -> None:
    table = torch.zeros(29, 29)
    table[2, 0] = 50.0  # after "topic" it always wants to say "a..."
    model = speller(table)
    asked = [Article("xyz", "apple"), Article("xyz", "berry")]
    alone = topics.likelihoods(model, Speller().encode(topics.ASK), [Speller().encode("apple"), [1]])  # type: ignore[arg-type]
    assert alone[0] > alone[1]
    found = topics.accuracy(model, asked)  # type: ignore[arg-type]
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


ASKED = [Article("apples grow", "a"), Article("berries grow", "b"), Article("cherries", "c"), Article("a berry", "b")]


def test_the_difference_is_paired_and_flips_are_counted_both_ways() -> None:
    blind = speller(torch.zeros(29, 29))  # says "a" always
    found = topics.compare(blind, reader(), ASKED)  # type: ignore[arg-type]
    assert (found.base.accuracy, found.candidate.accuracy) == (0.25, 0.75)
    assert found.delta.accuracy == 0.5
    assert (found.delta.lost, found.delta.won) == (0, 2)
    assert found.always_the_same == 0.5
    low, high = found.delta.ci95
    assert low < 0.5 < high
    same = topics.compare(reader(), reader(), ASKED)  # type: ignore[arg-type]
    assert same.delta == AccuracyDelta(accuracy=0.0, ci95=(0.0, 0.0), lost=0, won=0)


def test_progress_goes_from_nothing_to_all() -> None:
    seen: list[float] = []
    topics.compare(reader(), reader(), ASKED, lambda done, said, partial=None: seen.append(done))  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_model_that_fills_gaps_is_not_asked() -> None:
    with pytest.raises(ModelError, match="fills gaps"):
        topics.accuracy(random_model(objective="masked"), ASKED)  # type: ignore[arg-type]


@pytest.mark.parametrize(("right", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634),
                                                          (10, 10, 0.7225, 1.0)])  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert np.allclose(topics.wilson(right, of), (low, high), atol=1e-4)  # values of Agresti and Coull 1998's formula


def test_articles_are_of_the_evaluation_side_and_carry_their_topic() -> None:
    from optlab.texts.splits import evaluation_documents, training_documents

    found = articles(50)
    assert len(found) == 50
    assert {article.topic for article in found} == set(LABELS.values())
    assert {article.text for article in found} <= set(evaluation_documents("bbc-news"))
    assert not {article.text for article in found} & set(training_documents("bbc-news"))
    assert 0.2 <= most_common_share(found) < 0.6
