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
from optlab.models.language_model import LanguageModel
from optlab.predict.levels import Family
from optlab.predict.state import State
from optlab.predict.tables import apply
from optlab.progress import Progress, silent
from optlab.recipes import Recipe

TOKENS = 512
GROUPS = 64
"""Measurements of each change, about: layers are grouped so that there are no more."""


def layer_groups(kinds: list[str], blocks: list[int]) -> list[list[int]]:
    """Rows of layers of one kind in neighbouring blocks; the first and the last block are always alone."""
    count = max(blocks) + 1
    buckets = max(GROUPS // len(set(kinds)), 3)
    inner = np.array_split(np.arange(1, count - 1), min(buckets - 2, max(count - 2, 1)))
    of_block = {0: 0, count - 1: len(inner) + 1} | {int(b): n + 1 for n, some in enumerate(inner) for b in some}
    together: dict[tuple[int, str], list[int]] = {}
    for row, (kind, block) in enumerate(zip(kinds, blocks, strict=True)):
        together.setdefault((of_block[block], kind), []).append(row)
    return [together[key] for key in sorted(together, key=lambda key: min(together[key]))]


@torch.no_grad()
def measure(
    state: State,
    original: LanguageModel,
    working: LanguageModel,
    windows: list[Tensor],
    levels: list[tuple[Family, int]],
    statistics: Callable[[], Statistics],
    progress: Progress = silent,
) -> None:
    """Fill `state.corrections` with measured over predicted divergence of every layer at these levels.

    windows: token ids [B, T] of text that nothing is evaluated on. working is as original before and after.
    """
    groups = layer_groups(state.kinds, state.blocks)
    walk = Walk(working, windows)
    base = [working.head(hidden).log_softmax(-1) for hidden in _through(walk)]
    found = {(family.key, level): np.full(len(state.names), np.nan) for family, level in levels}
    for number, rows in enumerate(groups):
        first = min(state.blocks[row] for row in rows)
        while walk.position < first:
            walk.advance()
        for family, level in levels:
            progress(number / len(groups), f"changing {state.names[rows[0]]} alone")
            names = [state.names[row] for row in rows]
            apply(original, working, Recipe.of(family.step(level)), names, statistics)
            divergence, tokens = 0.0, 0
            for hidden, reference in zip(_through(walk), base, strict=True):
                changed = working.head(hidden).log_softmax(-1)
                divergence += float((reference.exp() * (reference - changed)).sum())
                tokens += reference.shape[0] * reference.shape[1]
            for name in names:
                working.set_weight(name, original.weight(name))
            predicted = float(state.tables[family.key].damage[rows, level].sum())
            found[family.key, level][rows] = max(divergence / tokens, 1e-9) / max(predicted, 1e-9)
    state.corrections = [
        {"family": key, "level": level, "ratio": ratio.tolist()} for (key, level), ratio in found.items()
    ]


def _through(walk: Walk) -> list[Tensor]:
    """What the head reads when the walk goes on to the end; the walk itself stays where it is."""
    position, states = walk.position, list(walk.states)
    while walk.position < len(walk.blocks):
        walk.advance()
    hidden = list(walk.outputs())
    walk.position, walk.states = position, states
    return hidden
