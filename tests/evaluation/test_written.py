"""Distances between texts, against what the libraries of their authors say."""

from __future__ import annotations

import pytest

from optlab.evaluation.written import chrf, exact_match, rouge_l, word_errors


@pytest.mark.parametrize(("expected", "found", "rouge", "f", "errors"), [
    # rougeL of rouge-score 0.1.2, chrF2 of sacrebleu 2.6.0, word error rate of jiwer 4.0.0
    ("the cat sat on the mat", "a cat sat on mat", 0.727273, 0.463236, 2 / 6),
    ("Ouvrir le dossier", "Ouvre un dossier", 0.333333, 0.485917, 2 / 3),
    ("Prison Link Cymru had 1,099 referrals in 2015-16", "There were 1,099 referrals last year in Prison", 0.421053,
     0.419302, 7 / 8),
    ("ab", "abc", 0.0, 0.875, 1.0),
    ("hello world", "xyz", 0.0, 0.0, 1.0),
    ("Das Verzeichnis wurde gelöscht", "Das Verzeichnis wurde nicht gelöscht", 0.909091, 0.857625, 1 / 4),
    ("同じ", "同 じ 文", 0.0, 0.875, 3.0),
])  # fmt: skip
def test_they_are_those_of_the_libraries(expected: str, found: str, rouge: float, f: float, errors: float) -> None:
    assert rouge_l(expected, found) == pytest.approx(rouge, abs=1e-6)
    assert chrf(expected, found) == pytest.approx(f, abs=1e-6)
    assert word_errors(expected.split(), found.split()) / len(expected.split()) == pytest.approx(errors)


def test_an_answer_matches_but_for_case_articles_and_punctuation() -> None:
    assert exact_match(["The Beatles", "Beatles, the band"], "the beatles.")
    assert not exact_match(["The Beatles"], "beatle")
