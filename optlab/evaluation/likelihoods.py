"""How likely a model finds each of several continuations of a prompt: many prompts at once, each read once.

Prompts of one length make a batch. What they left in the attention (keys and values) is shared by all continuations of
a prompt, which then read their own few tokens only; continuations that differ in their last token share even those.
Padding stands behind the tokens that count, where a causal model does not see it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from optlab.evaluation.scoring import log_probabilities, rows_at_once
from optlab.models.transformer import Transformer

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 32_768}
"""Of prompts and continuations in one batch. A processor is busy with these, and its memory holds what they leave."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Asked:
    """Token ids of a prompt, BOS included, and of its continuations; none is empty."""

    prompt: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """What reading it costs."""
        return len(self.prompt) + sum(map(len, self.choices))


class SharedPrefix:
    """Keys and values of a batch of prompts, which every continuation begins with: what `KVCache` is to one text.

    While `rows` is None prompts are read; then rows [R] says which prompt each row of a batch continues.
    """

    def __init__(self) -> None:
        self.rows: Tensor | None = None
        self.position = 0
        self.length = sys.maxsize
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def write(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values [B, kv_heads, T, head_dim] that the attention of a block sees."""
        if self.rows is None:
            self._kept[block] = k, v
            return k, v
        keys, values = (before.index_select(0, self.rows) for before in self._kept[block])
        return torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)


def batches(asked: Sequence[Asked], device: str = "cpu") -> Iterator[list[int]]:
    """The numbers of `asked` in groups that are read at once: prompts of one length, the longest first, so that what
    needs most memory is met at the beginning."""
    most = TOKENS_AT_ONCE.get(device, TOKENS_AT_ONCE["cuda"])
    order = sorted(range(len(asked)), key=lambda number: (-len(asked[number].prompt), number))
    batch: list[int] = []
    tokens = 0
    for number in order:
        one = asked[number]
        if batch and (len(one.prompt) != len(asked[batch[0]].prompt) or tokens + one.tokens > most):
            yield batch
            batch, tokens = [], 0
        batch.append(number)
        tokens += one.tokens
    if batch:
        yield batch


@torch.inference_mode()
def likelihoods(model: LanguageModel, asked: Sequence[Asked]) -> list[Floats]:
    """log p(continuation | prompt) in nats of every continuation of prompts that have one length; float64 [choices] of
    each. Raises MeasurementError when the logits are not finite."""
    begun = [(place, begin) for place, one in enumerate(asked)
             for begin in dict.fromkeys(choice[:-1] for choice in one.choices) if begin]  # fmt: skip
    read = _continued if isinstance(model.module, Transformer) else _read_whole
    ends, further = read(model, asked, begun)
    rows = {begin: row for row, begin in enumerate(begun)}
    wanted: dict[tuple[int | None, int], list[tuple[int, tuple[int, int]]]] = {}
    for place, one in enumerate(asked):
        for number, choice in enumerate(one.choices):
            for at, token in enumerate(choice):
                state = (rows[place, choice[:-1]], at - 1) if at else (None, place)
                wanted.setdefault(state, []).append((token, (place, number)))
    states = torch.stack([ends[at] if row is None else further[row, at] for row, at in wanted])
    found = [np.zeros(len(one.choices)) for one in asked]
    for value, (place, number) in _said(model, states, list(wanted.values())):
        found[place][number] += value
    return found


def _continued(model: LanguageModel, asked: Sequence[Asked], begun: Sequence[tuple[int, tuple[int, ...]]]) -> Any:
    """Hidden states at the end of every prompt [B, D], and at every token of what was `begun` after one [R, L, D]."""
    assert isinstance(model.module, Transformer)
    cache: Any = SharedPrefix()
    prompts = torch.tensor([one.prompt for one in asked], dtype=torch.long, device=model.device)
    ends = model.module.hidden(prompts, cache)[:, -1]
    if not begun:
        return ends, ends[:0, None]
    cache.rows = torch.tensor([place for place, _ in begun], dtype=torch.long, device=model.device)
    return ends, model.module.hidden(_padded(model, [begin for _, begin in begun]), cache)


def _read_whole(model: LanguageModel, asked: Sequence[Asked], begun: Sequence[tuple[int, tuple[int, ...]]]) -> Any:
    """As `_continued`, of a model whose class keeps its keys and values in a way of its own."""
    length = len(asked[0].prompt)
    read = [asked[place].prompt + begin for place, begin in begun]
    alone = [one.prompt for one in asked]
    states = model.hidden(_padded(model, [*alone, *read]))
    return states[: len(alone), length - 1], states[len(alone) :, length:]


def _padded(model: LanguageModel, rows: Sequence[tuple[int, ...]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], dtype=torch.long, device=model.device)


def _said(
    model: LanguageModel, states: Tensor, wanted: Sequence[Sequence[tuple[int, tuple[int, int]]]]
) -> Iterator[tuple[float, tuple[int, int]]]:
    """log p of the tokens that are wanted after each of the states [N, D], with whatever stands beside each token."""
    some = rows_at_once(model)
    for chunk, log_p in enumerate(log_probabilities(model, states, some)):
        here = wanted[chunk * some : (chunk + 1) * some]
        rows = torch.tensor([row for row, tokens in enumerate(here) for _ in tokens], device=log_p.device)
        ids = torch.tensor([token for tokens in here for token, _ in tokens], device=log_p.device)
        values = log_p[rows, ids].double().tolist()
        yield from zip(values, (beside for tokens in here for _, beside in tokens), strict=True)
