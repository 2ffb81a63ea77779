"""How near a text is to the one that was expected: words, subsequences and characters in common. Plain Python.

Each is checked against the library of its authors in the tests, on values that were computed with it.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

CHRF_ORDER, CHRF_BETA = 6, 2.0
ARTICLES = {"a", "an", "the"}


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to change, take away or add until `heard` is `said`: Levenshtein's distance."""
    before = list(range(len(heard) + 1))
    for row, word in enumerate(said, 1):
        now = [row]
        for column, other in enumerate(heard, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1]


def rouge_l(expected: str, found: str) -> float:
    """F1 of the longest common subsequence of words, 0 to 1 (Lin 2004, aclanthology.org/W04-1013), as the package
    rouge-score counts without stemming: runs of a to z and digits in lower case."""
    words, other = (re.findall(r"[a-z0-9]+", text.lower()) for text in (expected, found))
    if not words or not other:
        return 0.0
    lengths = [0] * (len(other) + 1)
    for word in words:
        diagonal = 0
        for column, theirs in enumerate(other, 1):
            above = lengths[column]
            lengths[column] = diagonal + 1 if word == theirs else max(above, lengths[column - 1])
            diagonal = above
    common = lengths[-1]
    return 2 * common / (len(words) + len(other))


def chrf(expected: str, found: str) -> float:
    """chrF2 of one sentence, 0 to 1 (Popovic 2015, aclanthology.org/W15-3049), as sacrebleu counts: n-grams of 1 to 6
    characters without white space, recall twice as important as precision; orders that a text is too short for are
    left out."""
    hypothesis, reference = ("".join(text.split()) for text in (found, expected))
    precisions, recalls = [], []
    for order in range(1, CHRF_ORDER + 1):
        grams, theirs = (Counter(text[at : at + order] for at in range(len(text) - order + 1))
                         for text in (hypothesis, reference))  # fmt: skip
        if not grams or not theirs:
            continue
        common = sum((grams & theirs).values())
        precisions.append(common / grams.total())
        recalls.append(common / theirs.total())
    if not precisions:
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    if precision + recall == 0.0:
        return 0.0
    return (1 + CHRF_BETA**2) * precision * recall / (CHRF_BETA**2 * precision + recall)


def exact_match(expected: Sequence[str], found: str) -> bool:
    """Whether `found` is one of the expected answers but for case, punctuation and articles (Rajpurkar et al. 2016,
    arXiv 1606.05250, section 6.1)."""
    return _bare(found) in {_bare(one) for one in expected}


def _bare(text: str) -> str:
    words = text.lower().translate(str.maketrans("", "", string.punctuation)).split()
    return " ".join(word for word in words if word not in ARTICLES)
