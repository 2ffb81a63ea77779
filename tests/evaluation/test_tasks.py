"""Tasks: the likelihood of an answer is that of a plain forward pass, and what flips is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optlab.errors import MeasurementError, ModelError, TextError
from optlab.evaluation import choices
from optlab.evaluation.task_statistics import most_common_share
from optlab.evaluation.tasks import Question, Task, speech, task, tasks
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


def test_a_model_that_ignores_the_article_is_not_led_by_the_frequency_of_a_name() -> None:
    table = torch.zeros(29, 29)
    table[2, 0] = 50.0  # after "topic" it always wants to say "a..."
    model = speller(table)
    asked = [Question("xyz", ASK, ("apple", "berry"), right) for right in (0, 1)]
    found = choices.Asking(model, asked, "beyond_ask").answers([0, 1])  # type: ignore[arg-type]
    assert all(one.log_likelihoods[0] > one.log_likelihoods[1] for one in found.values())
    assert [one.chosen for one in found.values()] == [0, 0]  # equal after the correction, so the first of the alphabet
    assert all(one.scores == pytest.approx([0.0, 0.0], abs=1e-5) for one in found.values())


def test_a_long_choice_is_judged_by_its_characters_where_the_task_says_so() -> None:
    model = speller(torch.zeros(29, 29))  # every token costs log 29
    (found,) = choices.Asking(model, [Question("", "x", (" ab", " abcd"), 0)], "per_character").answers([0]).values()  # type: ignore[arg-type]
    assert found.log_likelihoods == pytest.approx([-2 * np.log(29), -4 * np.log(29)], rel=1e-6)
    assert found.scores == pytest.approx([-np.log(29)] * 2, rel=1e-6)


def test_a_text_that_is_too_long_loses_its_end_and_keeps_the_question() -> None:
    model = speller(torch.zeros(29, 29))
    (asked,) = choices.Asking(model, [Question("abcdefgh", "xy", ("z",), 0)], "likelihood", 3)._asked  # type: ignore[arg-type]
    assert asked.prompt == tuple(Speller().encode("abcxy"))
    (asked,) = choices.Asking(model, [Question("a" * 99, "xy", ("z",), 0)], "likelihood", 99)._asked  # type: ignore[arg-type]
    assert len(asked.prompt) + 1 == model.description.context_length


class Reader(TableModel):
    """Says the topic that begins with the first letter of the article."""

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros(*ids.shape, 29)
        for text, first in zip(rows, ids[:, 0].tolist(), strict=True):
            text[..., first] = 10.0
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
    assert (found.base.score, found.candidate.score) == (0.25, 0.75)
    assert found.delta.score == 0.5
    assert (found.delta.lost, found.delta.won) == (0, 2)
    assert found.always_the_same == 0.5
    low, high = found.delta.ci95
    assert low < 0.5 < high
    same = choices.compare(reader(), reader(), ASKED)  # type: ignore[arg-type]
    assert (same.delta.score, same.delta.ci95, same.delta.lost, same.delta.won) == (0.0, (0.0, 0.0), 0, 0)
    assert same.flips == ()


def test_progress_goes_from_nothing_to_all() -> None:
    seen: list[float] = []
    choices.compare(reader(), reader(), ASKED, progress=lambda done, said, partial=None: seen.append(done))  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_model_that_fills_gaps_is_not_asked() -> None:
    with pytest.raises(ModelError, match="fills gaps"):
        choices.Asking(random_model(objective="masked"), ASKED, "likelihood")  # type: ignore[arg-type]


@pytest.mark.parametrize("one", [one for one in tasks() if one.name != "speech"], ids=lambda one: one.name)
def test_every_task_asks_the_same_each_time(one: type[Task]) -> None:
    questions = one.questions()
    assert len(questions) >= 32
    assert questions == one.questions()
    assert one.title and one.summary and one.source
    for question in questions:
        assert question.text + question.ask and len(set(question.choices)) == len(question.choices)
        assert 0 <= question.right < len(question.choices) and all(choice.strip() for choice in question.choices)


@pytest.mark.parametrize("name", ["topics", "next_sentence"])
def test_news_are_asked_of_the_evaluation_side(name: str) -> None:
    own, foreign = ("\n".join(" ".join(text.split()) for text in side("bbc-news")) for side in (
        evaluation_documents, training_documents))  # fmt: skip
    for question in task(name).questions():
        read = " ".join(question.text.split())
        assert read in own and read not in foreign


def test_topics_are_the_names_of_the_folders() -> None:
    questions = task("topics").questions()
    assert {question.answer for question in questions} == {f" {label}" for label in LABELS.values()}
    assert 0.2 <= most_common_share(questions) < 0.6


def test_the_next_sentence_follows_what_was_read_and_the_others_do_not() -> None:
    questions = task("next_sentence").questions()
    articles = [" ".join(text.split()) for text in evaluation_documents("bbc-news")]
    for question in questions:
        (article,) = (text for text in articles if text.startswith(question.text))
        endings = [choice for choice in question.choices if article.startswith(f"{question.text} {choice}")]
        assert endings == [question.answer]
    assert [sum(question.right == place for question in questions) for place in range(4)] == [25, 25, 25, 25]


def test_speech_is_what_a_recognizer_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    with pytest.raises(TextError, match="there are no transcripts"):
        task("speech").questions()
    heard = {
        "said": "the cat sat",
        "heard": ["the cats at", "a cat sat", "the cat sat"],
        "scores": [-1.0, -14.0, -27.0],
    }
    speech.file().write_text(json.dumps({"sentences": [heard]}))
    (question,) = task("speech").questions()
    assert (question.value, question.right, question.weight) == ((2 / 3, 1 / 3, 0.0), 2, 3.0)
    assert question.prior == pytest.approx((-1 / 6.5, -14 / 6.5, -27 / 6.5))
    found = choices.compare(reader(), reader(), [replace(question, ask="x")], "likelihood", "word_error_rate")  # type: ignore[arg-type]
    assert found.chance == pytest.approx(2 / 3)  # the recognizer alone


def test_a_robustness_question_differs_in_its_spelling_alone() -> None:
    asked = task("spelling").questions()
    written, typed, capitals, prompted = (asked[start : start + 100] for start in range(0, 400, 100))
    for first, *others in zip(written, typed, capitals, prompted, strict=True):
        assert all((one.choices, one.right) == (first.choices, first.right) for one in others)
        assert sorted(others[0].text) == sorted(first.text) and others[1].text.lower() == first.text.lower()
    assert sum(first.text != other.text for first, other in zip(written, typed, strict=True)) > 80


def test_the_needle_is_in_the_haystack_and_the_others_are_elsewhere_in_it() -> None:
    for question in task("needle").questions():
        assert f"{question.ask.strip()}{question.answer}." in question.text
        assert all(f"is{choice}." in question.text for choice in question.choices)


def test_a_task_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(MeasurementError, match="there is no task 'chess'; there are topics, next_sentence, boolq"):
        task("chess")


def test_an_asking_ends_when_the_difference_is_known_well_enough() -> None:
    asked = [Question(letter * 3, ASK, ("a", "b", "c"), number % 3) for number, letter in enumerate("abc" * 100)]
    blind = speller(torch.zeros(29, 29))
    found = choices.compare(blind, reader(), asked, points=40.0)  # type: ignore[arg-type]
    assert found.stopped_early and choices.FEWEST_QUESTIONS <= found.questions < len(asked)
    assert not choices.compare(blind, reader(), asked, points=0.001).stopped_early  # type: ignore[arg-type]


def test_what_the_original_said_is_not_asked_again() -> None:
    known: choices.Known = {}
    base = reader()
    first = choices.compare(base, reader(), ASKED, known=known)  # type: ignore[arg-type]
    base.passes.clear()
    assert choices.compare(base, reader(), ASKED, known=known) == first  # type: ignore[arg-type]
    assert base.passes == []


def test_shuffled_answers_are_those_of_openbookqa_at_random_places() -> None:
    shuffled, asked = task("shuffled_answers").questions(), task("openbookqa").questions()
    assert [one.choices for one in shuffled] == [one.choices for one in asked]
    assert 0.15 < np.mean([one.right == other.right for one, other in zip(shuffled, asked, strict=True)]) < 0.35


def test_a_first_look_asks_some_of_all_parts_of_a_task() -> None:
    assert choices.evenly(10, 3) == [0, 3, 6]
    assert choices.evenly(3, 9) == [0, 1, 2] and choices.evenly(5, 0) == [0]
    asked = [Question(letter * 3, ASK, ("a", "b", "c"), 0, group=letter) for letter in "abc" for _ in range(20)]
    whole = choices.compare(reader(), reader(), asked)  # type: ignore[arg-type]
    some = choices.compare(reader(), reader(), asked, tokens=300)  # type: ignore[arg-type]
    assert whole.questions == 60 and not some.stopped_early
    assert {one.group: one.questions for one in some.slices} == {"a": some.questions // 3, "b": some.questions // 3,
                                                                "c": some.questions // 3}  # fmt: skip
    assert some.questions * (3 + 8 + 3 + 3) == pytest.approx(300, rel=0.2)
