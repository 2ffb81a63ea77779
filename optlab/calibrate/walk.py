"""Run a model block by block over many windows of text, holding only the hidden states between two blocks.

Blocks take more than hidden states (rotary tables, masks, one kind per layer in some families), and every family's
code makes them its own way. So the family's own forward is run once per batch with every block replaced by one that
notes its arguments and computes nothing; the walk then calls the real blocks with those arguments. Methods that change
a block before the next one sees its output (sequential GPTQ, block-wise tuning) walk the same way. A block that the
family calls several times in a row with the same weights (ALBERT) is walked through as often, as one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from optlab.models.language_model import LanguageModel

HIDDEN = "hidden_states"


class Walk:
    """Hidden states [B, T, D] of all batches before block `position`; `advance` moves them through that block.

    batches: token ids [B, T], long, on any device. Memory: tokens x width x bytes of the model's dtype.
    """

    def __init__(self, model: LanguageModel, batches: list[Tensor]) -> None:
        self.model = model
        self.blocks = [block for _, block in model.blocks()]
        self.batches = [ids.to(model.device) for ids in batches]
        self.position = 0
        self.states: list[Tensor] = []
        self._calls: list[list[list[tuple[tuple[Any, ...], dict[str, Any]]]]] = []
        self._answers: int | None = None
        for ids in self.batches:
            self._note(ids)

    def advance(self) -> None:
        """Move every batch through the next block, whatever its weights are now."""
        for number in range(len(self.states)):
            self.states[number] = self.through(number)
        self.position += 1

    def through(self, number: int) -> Tensor:
        """What the next block makes of batch `number`, [B, T, D]; nothing moves."""
        return self.block(self.position, self.states[number], number)

    def block(self, position: int, states: Tensor, number: int = 0) -> Tensor:
        """What block `position` makes of `states` [B, T, D] that stand where those of batch `number` do."""
        for args, kwargs in self._calls[number][position]:
            out = self.blocks[position](states, *args, **kwargs)
            states = out[0] if isinstance(out, tuple) else out
        return states

    def outputs(self) -> Iterator[Tensor]:
        """What the head reads for each batch, after the last block was advanced through."""
        for ids, state in zip(self.batches, self.states, strict=True):
            with self._replaced(lambda number, x, args, kwargs, state=state: state):  # type: ignore[misc]
                yield self.model.hidden(ids)

    def _note(self, ids: Tensor) -> None:
        calls: list[list[tuple[tuple[Any, ...], dict[str, Any]]]] = [[] for _ in self.blocks]

        def note(number: int, x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
            if number == 0 and not calls[0]:
                self.states.append(x)
            calls[number].append((tuple(map(_without_cache, args)), {k: _without_cache(v) for k, v in kwargs.items()}))
            return x

        if not self._calls:
            self._answers = self._length_of_answer(ids)
        with self._replaced(note):
            self.model.hidden(ids)
        self._calls.append(calls)

    def _length_of_answer(self, ids: Tensor) -> int | None:
        """How many values this family's blocks return, hidden states first; None where they return hidden states."""
        seen: list[int | None] = []
        handle = self.blocks[0].register_forward_hook(
            lambda module, args, out: seen.append(len(out) if isinstance(out, tuple) else None)
        )
        try:
            self.model.hidden(ids[:1, :2])
        finally:
            handle.remove()
        return seen[0]

    @contextmanager
    def _replaced(self, answer: Callable[[int, Tensor, tuple[Any, ...], dict[str, Any]], Tensor]) -> Iterator[None]:
        """While open, block i returns answer(i, hidden, other arguments) and computes nothing."""

        def stand_in(number: int) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                x, others = (kwargs.pop(HIDDEN), args) if HIDDEN in kwargs else (args[0], args[1:])
                out = answer(number, x, others, kwargs)
                return out if self._answers is None else (out,) + (None,) * (self._answers - 1)

            return forward

        for number, block in enumerate(self.blocks):
            block.forward = stand_in(number)
        try:
            yield
        finally:
            for block in self.blocks:
                del block.forward


def linears_of(block: nn.Module, prefix: str, names: list[str]) -> dict[str, nn.Module]:
    """The linear layers of a block by their full names, in order."""
    inside = [name for name in names if name.startswith(f"{prefix}.")]
    return {name: block.get_submodule(name[len(prefix) + 1 :]) for name in inside}


def in_batches(windows: list[list[int]], tokens: int = 2048) -> list[Tensor]:
    """Windows of equal length as batches of about `tokens` tokens: ids [B, T], long."""
    size = max(1, tokens // len(windows[0]))
    return [torch.tensor(windows[i : i + size]) for i in range(0, len(windows), size)]


def _without_cache(value: Any) -> Any:
    """None for a key-value cache, into which calling a block again would write again."""
    return None if hasattr(value, "get_seq_length") else value
