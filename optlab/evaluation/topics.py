"""A task beside the perplexity: does a model still tell what an article is about, without ever being trained to?

The article is followed by "Topic:" and the model's next words are compared over the topics, each by its log-likelihood
after the article minus that without any article, because a frequent word is likely everywhere (domain conditional
pointwise mutual information; Holtzman et al. 2021, arXiv 2104.08315, equation 2). Original and compressed model read
the same articles, so the interval of the difference is paired, and answers that flip are counted both ways: an accuracy
may stand still while the answers change (Dutta et al. 2024, arXiv 2407.09141).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.divergence import log_softmax
from optlab.errors import ModelError
from optlab.evaluation.paired import Interval, interval
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.results import tasks
from optlab.results.tasks import Topics
from optlab.texts.topics import Article, most_common_share

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

ASK = "\n\nTopic:"
ARTICLE_TOKENS = 128
ARTICLES = 200
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Accuracy:
    """Share of articles whose topic was told, with Wilson's 95 % interval; right: one truth value per article."""

    share: float
    ci95: Interval
    right: tuple[bool, ...]


def compare(
    base: LanguageModel, candidate: LanguageModel, articles: Sequence[Article], progress: Progress = silent
) -> Topics:
    """Accuracy of both on the same articles, and the paired difference.

    Raises ModelError for a model that does not continue a text.
    """
    sides = {}
    for half, (name, model) in enumerate((("base", base), ("candidate", candidate))):
        sides[name] = accuracy(model, articles, lambda done, said, partial=None, half=half: progress(
            (half + done) / 2, said, partial))  # fmt: skip
    before, after = (np.array(sides[name].right, dtype=float) for name in ("base", "candidate"))
    shares = {name: tasks.Accuracy(accuracy=one.share, ci95=one.ci95) for name, one in sides.items()}
    delta = tasks.AccuracyDelta(
        accuracy=float(after.mean() - before.mean()),
        ci95=interval(after - before),
        lost=int(((before == 1) & (after == 0)).sum()),
        won=int(((before == 0) & (after == 1)).sum()),
    )
    return Topics(articles=len(articles), always_the_same=most_common_share(list(articles)), **shares, delta=delta)


def accuracy(model: LanguageModel, articles: Sequence[Article], progress: Progress = silent) -> Accuracy:
    """How often `model` finds the topic of an article among all topics of `articles`."""
    if model.objective != "causal":
        raise ModelError("{name} fills gaps in a text; topics are asked of models that continue one", name=model.name)
    topics = sorted({article.topic for article in articles})
    labels = [model.tokenizer.encode(f" {topic}") for topic in topics]
    ask, begin = model.tokenizer.encode(ASK), list(model.framing().before)
    room = min(ARTICLE_TOKENS, model.description.context_length - len(begin) - len(ask) - max(map(len, labels)))
    alone = likelihoods(model, begin + ask, labels)
    right = []
    for number, article in enumerate(articles, 1):
        found = likelihoods(model, begin + model.tokenizer.encode(article.text)[:room] + ask, labels) - alone
        right.append(topics[int(found.argmax())] == article.topic)
        progress(
            number / len(articles),
            say("article {number} of {article_count}", number=number, article_count=len(articles)),
        )
    return Accuracy(sum(right) / len(right), wilson(sum(right), len(right)), tuple(right))


@torch.inference_mode()
def likelihoods(model: LanguageModel, prompt: list[int], labels: Sequence[list[int]]) -> np.ndarray[Any, Any]:
    """log p(label | prompt) of every label, float64 [labels]; labels that begin alike share a pass over the prompt."""
    known: dict[tuple[int, ...], torch.Tensor] = {}
    totals = []
    for label in labels:
        total = 0.0
        for place, token in enumerate(label):
            begun = tuple(label[:place])
            if begun not in known:
                ids = torch.tensor([[*prompt, *begun]], dtype=torch.long, device=model.device)
                known[begun] = log_softmax(model.head(model.hidden(ids)[:, -1:])[0, -1])
            total += float(known[begun][token])
        totals.append(total)
    return np.array(totals)


def wilson(right: int, of: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a share (Wilson 1927): inside [0, 1], and honest for few and for extreme counts."""
    share = right / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(centre - half, 0.0), min(centre + half, 1.0)
