"""How far the quadratic form of a layer is from the truth: a few layers changed at a time, and the divergence measured.

`fisher` takes tokens as independent and damage as quadratic. Both fail in ways that belong to a layer and a kind of
change: a keys' projection may shift by the same amount at every token without any effect on a softmax, while the same
shift of the values reaches every later token. So the layers of one kind in neighbouring blocks are changed together,
once rounded and twice pruned, and the measured divergence over the predicted one is a factor by which the table of
those layers is corrected. Only the blocks from the change on are computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from optlab.calibrate.statistics import Statistics
from optlab.calibrate.walk import Walk
from optlab.divergence import kl_divergence, log_softmax
from optlab.messages import say
from optlab.models.language_model import LanguageModel
from optlab.prediction.levels import Family
from optlab.prediction.state import State
from optlab.prediction.tables import apply
from optlab.progress import Progress, silent
from optlab.recipes import Recipe
from optlab.results.probe import Correction

TOKENS = 320
GROUPS = 48
"""Measurements of each change, about: layers are grouped so that there are no more."""
AT_ONCE = 8
"""Changed models that go through a block together."""


def buckets(kinds: list[str], blocks: list[int]) -> list[range]:
    """Neighbouring blocks that are changed together; the first and the last block are always alone."""
    count = max(blocks) + 1
    if count < 3:
        return [range(block, block + 1) for block in range(count)]
    parts = np.array_split(np.arange(1, count - 1), min(max(GROUPS // len(set(kinds)) - 2, 1), count - 2))
    return [range(1), *[range(int(some[0]), int(some[-1]) + 1) for some in parts], range(count - 1, count)]


def layer_groups(kinds: list[str], blocks: list[int]) -> list[list[int]]:
    """Rows of layers of one kind in neighbouring blocks; the first and the last block are always alone."""
    of_block = {block: number for number, some in enumerate(buckets(kinds, blocks)) for block in some}
    together: dict[tuple[int, str], list[int]] = {}
    for row, (kind, block) in enumerate(zip(kinds, blocks, strict=True)):
        together.setdefault((of_block[block], kind), []).append(row)
    return [together[key] for key in sorted(together, key=lambda key: min(together[key]))]


@torch.no_grad()
def measure(
    state: State,
    original: LanguageModel,
    working: LanguageModel,
    ids: Tensor,
    levels: list[tuple[Family, int]],
    statistics: Callable[[], Statistics],
    progress: Progress = silent,
) -> None:
    """Fill `state.corrections` with measured over predicted divergence of every layer at these levels.

    ids: one window [1, T] of text that nothing is evaluated on. working is as original before and after.
    """
    walk = Walk(working, [ids])
    grouped = layer_groups(state.kinds, state.blocks)
    changed: list[tuple[list[int], int]] = []
    running: list[Tensor] = []
    for some in buckets(state.kinds, state.blocks):
        inside = [rows for rows in grouped if state.blocks[rows[0]] in some]
        before = walk.states[0]
        running = [_through(walk, some, states) for states in running]
        fresh = []
        for rows in inside:
            progress(some.start / len(walk.blocks), say("changing {names} alone", names=state.names[rows[0]]))
            names = [state.names[row] for row in rows]
            for number, (family, level) in enumerate(levels):
                apply(original, working, Recipe.of(family.step(level)), names, statistics)
                fresh.append(_through(walk, some, before))
                changed.append((rows, number))
                for name in names:
                    working.set_weight(name, original.weight(name))
        running += list(torch.cat(fresh).split(AT_ONCE)) if fresh else []
        walk.states[0] = _through(walk, some, before)
    walk.position = len(walk.blocks)
    measured = _divergences(walk, running)
    found = np.full((len(levels), len(state.names)), np.nan)
    for (rows, number), divergence in zip(changed, measured, strict=True):
        family, level = levels[number]
        predicted = float(state.tables[family.key].damage[rows, level].sum())
        found[number, rows] = max(divergence, 1e-9) / max(predicted, 1e-9)
    state.corrections = [
        Correction(family=family.key, level=level, ratio=tuple(ratio.tolist()))
        for (family, level), ratio in zip(levels, found, strict=True)
    ]


def _through(walk: Walk, some: range, states: Tensor) -> Tensor:
    """What the blocks `some` make of states [B, T, D]."""
    for position in some:
        states = walk.block(position, states)
    return states


def _divergences(walk: Walk, running: list[Tensor]) -> list[float]:
    """Mean KL, nats per token, of each of the states [B, T, D] behind the last block from the walk's own."""
    model, found = walk.model, []
    base = log_softmax(model.head(next(iter(walk.outputs()))))
    chances = base.exp()
    for states in running:
        for one in states.split(1):
            walk.states[0] = one
            other = log_softmax(model.head(next(iter(walk.outputs()))))
            found.append(float(kl_divergence(base, other, chances).mean()))
    return found
