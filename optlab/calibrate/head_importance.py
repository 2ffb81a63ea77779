"""How much the loss would feel each attention head: its gradient with respect to a gate on what the head says.

Every head's output is multiplied by a gate of 1; |dL/dgate|, averaged over windows of text, is to first order what
closing the gate does to the loss of a window (Michel et al., arXiv 1905.10650, eq. 2). One backward pass per window
judges all heads at once, where silencing them one by one would take a pass for each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from optlab.calibrate.gradients import loss
from optlab.messages import say
from optlab.models.heads import heads_of
from optlab.models.language_model import LanguageModel
from optlab.progress import Progress, silent


def head_importance(
    model: LanguageModel, windows: list[list[int]], seed: int = 0, progress: Progress = silent
) -> Tensor:
    """Mean over `windows` (token ids) of |dL/dgate| in nats per token, float32 [blocks, heads].

    model: float32; its weights do not change. Raises RecipeError for a model whose heads cannot be told apart.
    """
    heads = heads_of(model)
    gates = [torch.ones(heads.count, device=model.device, requires_grad=True) for _ in heads.outputs]
    before = {parameter: parameter.requires_grad for parameter in model.module.parameters()}
    handles = []
    total = torch.zeros(len(gates), heads.count)
    generator = torch.Generator().manual_seed(seed)
    try:
        for parameter in before:
            parameter.requires_grad_(False)
        for name, gate in zip(heads.outputs, gates, strict=True):
            handles.append(model.module_named(name).register_forward_pre_hook(_gated(gate, heads.size)))
        with torch.enable_grad():
            for done, window in enumerate(windows):
                progress(
                    done / len(windows),
                    say("scoring heads: window {done}/{window_count}", done=done + 1, window_count=len(windows)),
                )
                found = loss(model, torch.tensor([window], device=model.device), generator)
                total += torch.stack(torch.autograd.grad(found, gates)).abs().cpu()
    finally:
        for handle in handles:
            handle.remove()
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)
    return total / len(windows)


def _gated(gate: Tensor, size: int) -> Any:
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return inputs[0] * gate.repeat_interleave(size), *inputs[1:]

    return hook
