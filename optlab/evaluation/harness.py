"""Tasks of lm-evaluation-harness, asked of original and compressed model through an adapter, with paired statistics.

EleutherAI's harness (github.com/EleutherAI/lm-evaluation-harness, MIT) knows hundreds of tasks; here it keeps what it
does: prompts, shots, filters, metrics. What is added is that both models see the same items, and that the difference is
told with a paired interval and its flips. Without a network only tasks whose data lie on the disk run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.errors import MeasurementError, ModelError, OptLabError
from optlab.evaluation.scoring import log_probabilities, rows_at_once
from optlab.evaluation.task_statistics import paired_values
from optlab.evaluation.writing import greedy
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.results.tasks import TaskResult

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

TOKENS_AT_ONCE = 2048
NEW_TOKENS = 64
"""That are written where a task names no limit."""


def evaluate(
    base: LanguageModel, candidate: LanguageModel, names: Sequence[str], folder: Path | None = None,
    limit: int | None = None, progress: Progress = silent,
) -> dict[str, TaskResult]:  # fmt: skip
    """The result of every task of the harness. folder: of further tasks, as YAML files. limit: items of each.

    Raises OptLabError where the harness is not installed, or does not know a task; ModelError for a model that does not
    continue a text.
    """
    sides = []
    for number, model in enumerate((base, candidate)):
        progress(number / 2, say("lm-evaluation-harness asks {name}", name=model.name))
        sides.append(_samples(model, names, folder, limit))
    progress(1.0, say("lm-evaluation-harness is done"))
    return {name: _compared(sides[0][name], sides[1][name]) for name in sides[0]}


def _samples(model: LanguageModel, names: Sequence[str], folder: Path | None, limit: int | None) -> dict[str, Any]:
    try:
        import lm_eval
        from lm_eval.tasks import TaskManager
    except ImportError:
        raise OptLabError("lm-evaluation-harness is not installed; run: pip install lm-eval") from None
    manager = TaskManager(include_path=None if folder is None else str(folder))
    if unknown := [name for name in names if name not in manager.all_tasks]:
        raise OptLabError("lm-evaluation-harness knows no task {name!r}", name=unknown[0])
    found = lm_eval.simple_evaluate(
        model=adapted(model), tasks=list(names), limit=limit, bootstrap_iters=0, task_manager=manager
    )
    assert found is not None  # it is None in other processes than the first of several
    samples: dict[str, Any] = found["samples"]
    return samples


def _compared(base: Sequence[Any], candidate: Sequence[Any]) -> TaskResult:
    """By the first metric of the task that is a number for every item."""
    before, after = ({one["doc_id"]: one for one in side} for side in (base, candidate))
    for metric in base[0]["metrics"]:
        if all(isinstance(one.get(metric), (int, float)) for one in (*base, *candidate)):
            values = [np.array([float(side[item][metric]) for item in before]) for side in (before, after)]
            return paired_values(metric, *values)
    raise MeasurementError("this task of lm-evaluation-harness has no score for a single item")


def adapted(model: LanguageModel) -> Any:
    """`model` as the harness wants one. Raises ModelError for a model that does not continue a text."""
    from lm_eval.api.model import LM

    if model.objective != "causal":
        raise ModelError("{name} fills gaps in a text; tasks are asked of models that continue one", name=model.name)

    class Adapter(LM):
        """Texts in, log-likelihoods and texts out."""

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            return continuations(model, [_encoded(model, *request.args) for request in requests])

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            return [total for total, _ in continuations(model, [_whole(model, one.args[0]) for one in requests])]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return [_written(model, *request.args) for request in requests]

    return Adapter()


def _encoded(model: LanguageModel, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """As the harness encodes: white space at the end of the context belongs to the continuation, and the two meet as
    they do in one text."""
    bare = context.rstrip()
    continuation, context = context[len(bare) :] + continuation, bare
    before = model.tokenizer.encode(context)
    new = model.tokenizer.encode(context + continuation)[len(before) :]
    return [*_beginning(model, not before), *before], new


def _whole(model: LanguageModel, text: str) -> tuple[list[int], list[int]]:
    return _beginning(model, True), model.tokenizer.encode(text)


def _beginning(model: LanguageModel, needed: bool) -> list[int]:
    """What the tokenizer wants in front; where nothing else is there to continue, the token that ends a text."""
    begin = list(model.framing().before)
    end = model.tokenizer.special_id("eos")
    return begin or ([end] if needed and end is not None else [])


@torch.inference_mode()
def continuations(model: LanguageModel, asked: Sequence[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    """log p of every continuation after its context, nats, and whether it is what greedy decoding writes. What is
    longer than the model reads loses its beginning."""
    longest = model.description.context_length
    rows = [(context + new)[-(longest + 1) :] for context, new in asked]
    found: list[tuple[float, bool]] = [(0.0, True)] * len(asked)
    batch: list[int] = []
    for number in sorted(range(len(rows)), key=lambda one: -len(rows[one])):
        batch.append(number)
        if len(batch) * len(rows[batch[0]]) >= TOKENS_AT_ONCE:
            _read(model, asked, rows, batch, found)
            batch = []
    _read(model, asked, rows, batch, found)
    return found


def _read(
    model: LanguageModel, asked: Sequence[tuple[list[int], list[int]]], rows: Sequence[list[int]],
    batch: Sequence[int], found: list[tuple[float, bool]],
) -> None:  # fmt: skip
    """Fill `found` for a batch. Padding stands behind what counts, where a causal model does not see it."""
    if not batch:
        return
    width = max(len(rows[number]) for number in batch) - 1
    ids = torch.tensor([rows[number][:-1] + [0] * (width - len(rows[number]) + 1) for number in batch],
                       device=model.device)  # fmt: skip
    states = model.hidden(ids)
    for row, number in enumerate(batch):
        new = min(len(asked[number][1]), len(rows[number]) - 1)
        end = len(rows[number]) - 1
        targets = torch.tensor(rows[number][-new:], device=model.device)
        some = rows_at_once(model)
        total, same = 0.0, True
        pieces = zip(log_probabilities(model, states[row, end - new : end], some), targets.split(some), strict=True)
        for log_p, true in pieces:
            total += float(log_p.gather(1, true[:, None]).double().sum())
            same = same and bool((log_p.argmax(1) == true).all())
        found[number] = total, same


def _written(model: LanguageModel, context: str, settings: dict[str, Any]) -> str:
    """What is written greedily, up to the first of the texts that end it."""
    new = int(settings.get("max_gen_toks", NEW_TOKENS))
    ends = settings.get("until") or []
    before = model.tokenizer.encode(context)[-(model.description.context_length - new - 1) :]
    (ids,) = greedy(model, [(*_beginning(model, not before), *before)], new)
    text = model.tokenizer.decode(ids, skip_special=True)
    for end in [ends] if isinstance(ends, str) else ends:
        text = text.split(end)[0] if end else text
    return text
