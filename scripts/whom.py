"""Read what the lesson "whom" shows and write assets/lessons/whom.json: `python -m scripts.whom`, some minutes.

nano and its compressed copies read the same windows: of the five plays it was never trained on, of the World English
Bible, and of news of each topic. `optlab.lessons.whom` sorts the losses.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import optlab
from optlab import paths
from optlab.evaluation.scoring import losses, predicting_states, targets_of
from optlab.files import write_text
from optlab.lessons import whom
from optlab.lessons.weights import Array
from optlab.lessons.whom import CONTEXT, Losses, Tried, Whom
from optlab.models.language_model import LanguageModel
from optlab.recipes import Recipe, Step
from optlab.texts import splits
from optlab.texts.topics import articles

MODEL, TEXT = "nano", "shakespeare"
WINDOWS = {TEXT: 96, "web-bible": 32}
OF_A_TOPIC = 24
RECIPES = {
    "rtn-4": Recipe.of(Step("quantize", "rtn", {"bits": 4, "group_size": 64})),
    "rtn-3": Recipe.of(Step("quantize", "rtn", {"bits": 3, "group_size": 64})),
    "rtn-2": Recipe.of(Step("quantize", "rtn", {"bits": 2, "group_size": 64})),
    "gptq-3": Recipe.of(Step("quantize", "gptq", {"bits": 3, "group_size": 64})),
    "magnitude": Recipe.of(Step("prune", "magnitude", {"sparsity": 0.5})),
    "wanda": Recipe.of(Step("prune", "wanda", {"sparsity": 0.5})),
}


def main() -> None:
    """Read and write."""
    original = optlab.load(MODEL)
    copies = [optlab.compress(original, recipe, calibration=TEXT).model for recipe in RECIPES.values()]
    read = [
        Losses(name, ids, of_model(original, ids), np.stack([of_model(copy, ids) for copy in copies]))
        for name, ids in texts(original)
    ]
    pieces = [original.tokenizer.readable(token) for token in range(len(original.tokenizer))]
    found = Whom(
        recipes=tuple(Tried(name=name, recipe=recipe) for name, recipe in RECIPES.items()),
        groups=tuple(whom.groups(read, trained_on(original, len(pieces)), pieces)),
    )
    write_text(paths.ASSETS / whom.FILE, found.to_json() + "\n")


def texts(model: LanguageModel) -> Iterator[tuple[str, Array]]:
    """Name and windows [W, CONTEXT] of each text."""
    for name, count in WINDOWS.items():
        passage = splits.evaluation_passage(name, model.tokenizer, count * CONTEXT, CONTEXT)
        yield name, np.asarray(passage.ids).reshape(-1, CONTEXT)
    topics: dict[str, list[int]] = {}
    for article in articles(1_000):
        topics.setdefault(article.topic, []).extend(model.tokenizer.encode(f"{article.text}\n\n"))
    for topic in sorted(topics):
        yield topic, np.asarray(topics[topic][: OF_A_TOPIC * CONTEXT]).reshape(-1, CONTEXT)


def of_model(model: LanguageModel, ids: Array) -> Array:
    """Losses [W, CONTEXT - 1] of every predicted token, nats."""
    rows = []
    for window in ids.tolist():
        (states,) = predicting_states(model, [window], lambda: None)
        rows.append(losses(model, states, targets_of(model, window)))
    return np.stack(rows)


def trained_on(model: LanguageModel, vocabulary: int) -> Array:
    """How often each token stands in the text that nano learnt from."""
    ids = [token for document in splits.training_documents(TEXT) for token in model.tokenizer.encode(document)]
    return np.bincount(ids, minlength=vocabulary)


if __name__ == "__main__":
    main()
