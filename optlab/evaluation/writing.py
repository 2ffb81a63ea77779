"""What a model writes, greedily, after many prompts at once: for tasks whose answers are written and then judged.

Prompts of one length are a batch. A text ends with its first line, or where the model says so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from optlab.errors import ModelError
from optlab.evaluation.choices import evenly
from optlab.evaluation.likelihoods import Asked, batches
from optlab.evaluation.task_statistics import compared_writing
from optlab.evaluation.tasks import Question, Task
from optlab.messages import say
from optlab.models.transformer import Transformer
from optlab.progress import Progress, silent, span
from optlab.results.tasks import TaskResult

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


class Growing:
    """Keys and values of a batch of texts that grow by what is written: `KVCache`, without a length to know before."""

    def __init__(self) -> None:
        self.position = 0
        self.length = sys.maxsize
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def write(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values [B, kv_heads, T, head_dim] so far, these included."""
        if block in self._kept:
            before = self._kept[block]
            k, v = torch.cat((before[0], k), dim=2), torch.cat((before[1], v), dim=2)
        self._kept[block] = k, v
        return k, v


def ask(
    base: LanguageModel, candidate: LanguageModel, task: type[Task], known: dict[int, str] | None = None,
    tokens: int | None = None, progress: Progress = silent,
) -> TaskResult:  # fmt: skip
    """Both models write an answer to every question, and the task judges them. known: what `base` wrote before. tokens:
    as `choices.ask`.

    Raises ModelError for a model that does not continue a text, TextError without what the questions are made of.
    """
    every = task.questions()
    known = {} if known is None else known
    costs = [len(base.tokenizer.encode(one.text + one.ask)) + task.new_tokens for one in every]
    chosen = evenly(len(every), len(every) if tokens is None else round(tokens * len(every) / sum(costs)))
    questions = [every[number] for number in chosen]
    if not known.keys() >= set(chosen):
        texts = written(base, questions, task.read_tokens, task.new_tokens, span(progress, 0.0, 0.5))
        known.update(zip(chosen, texts, strict=True))
    before = [known[number] for number in chosen]
    after = written(candidate, questions, task.read_tokens, task.new_tokens, span(progress, 0.5, 1.0))
    return compared_writing(task.metric, questions, before, after, task.judge)


def written(
    model: LanguageModel, questions: Sequence[Question], read_tokens: int, new_tokens: int, progress: Progress = silent
) -> list[str]:
    """The first line that `model` writes after each question, at most `new_tokens` tokens of it."""
    if model.objective != "causal":
        raise ModelError("{name} fills gaps in a text; tasks are asked of models that continue one", name=model.name)
    encode, begin = model.tokenizer.encode, tuple(model.framing().before)
    asked = []
    for question in questions:
        ask_ids = encode(question.ask)
        room = model.description.context_length - len(begin) - len(ask_ids) - new_tokens
        text = encode(question.text)[: max(min(read_tokens, room), 0)]
        asked.append(Asked((*begin, *text, *ask_ids), ((0,) * new_tokens,)))
    found = [""] * len(asked)
    done = 0
    for batch in batches(asked, model.device.type):
        rows = greedy(model, [asked[one].prompt for one in batch], new_tokens)
        for number, ids in zip(batch, rows, strict=True):
            found[number] = model.tokenizer.decode(ids, skip_special=True).strip().split("\n")[0].strip()
        done += len(batch)
        progress(done / len(asked), say("question {number} of {questions}", number=done, questions=len(asked)))
    return found


@torch.inference_mode()
def greedy(model: LanguageModel, prompts: Sequence[tuple[int, ...]], new_tokens: int) -> list[list[int]]:
    """The likeliest next token, `new_tokens` times, after prompts of one length; what follows the end is left out."""
    ids = torch.tensor(prompts, dtype=torch.long, device=model.device)
    module = model.module
    cache: Any = Growing()
    end = model.tokenizer.special_id("eos")
    new = ids[:, :0]
    for _ in range(new_tokens):
        if isinstance(module, Transformer):
            states = module.hidden(ids if new.shape[1] == 0 else new[:, -1:], cache)
        else:
            states = model.hidden(torch.cat((ids, new), dim=1))
        chosen = model.head(states[:, -1:])[:, 0].argmax(-1, keepdim=True)
        new = torch.cat((new, chosen), dim=1)
        if end is not None and bool((new == end).any(1).all()):
            break
    return [row[: row.index(end)] if end in row else row for row in new.tolist()]
