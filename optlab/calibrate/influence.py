"""How much each block changes what flows through it: one that changes little can go (ShortGPT, arXiv 2403.03853)."""

from __future__ import annotations

import torch

from optlab.calibrate.walk import Walk, in_batches
from optlab.messages import say
from optlab.models.language_model import LanguageModel
from optlab.progress import Progress


@torch.no_grad()
def influences(model: LanguageModel, windows: list[list[int]], progress: Progress) -> list[float]:
    """Block influence (eq. 1) of every block on windows of text: 0 for a block that changes nothing, in [0, 2]."""
    walk, found = Walk(model, in_batches(windows)), []
    for number in range(len(model.blocks())):
        progress(number / len(model.blocks()), say("measuring the influence of block {number}", number=number + 1))
        before = list(walk.states)
        walk.advance()
        cosines = [torch.cosine_similarity(x, y, dim=-1).mean() for x, y in zip(before, walk.states, strict=True)]
        found.append(1.0 - float(torch.stack(cosines).mean()))
    return found
