"""How far another model's weights move the output of each linear layer, when it is fed what the original feeds it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from optlab.calibrate.walk import in_batches
from optlab.messages import say
from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


@torch.inference_mode()
def output_errors(
    base: LanguageModel,
    other: LanguageModel,
    layers: Sequence[str],
    windows: list[list[int]],
    progress: Progress = silent,
) -> dict[str, float]:
    """Layer -> sqrt(sum |(W' - W) x|^2 / sum |W x|^2) over the inputs x that `base` gives it while it reads `windows`.

    W, W': the weights of `base` and of `other`, of equal shape; biases are left out. The errors of earlier layers do
    not add up here, so a large value names the layer that was changed much, as `output_error` of a measurement does.
    Without an entry is a layer that no token reaches (an expert), that writes only zeros, or whose product its block
    computes by itself (the projections inside a Mamba mixer). windows: token ids of equal length.
    """
    sums: dict[str, Tensor] = {}

    def listener(name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            W = base.weight(name).float()
            x = args[0].reshape(-1, args[0].shape[-1]).float()
            change = nn.functional.linear(x, other.weight(name).float() - W).square().sum(dtype=torch.float64)
            energy = nn.functional.linear(x, W).square().sum(dtype=torch.float64)
            sums[name] = sums.get(name, 0.0) + torch.stack((change, energy))

        return module.register_forward_pre_hook(hook)

    batches = in_batches(windows)
    with ExitStack() as hooks:
        for name in layers:
            hooks.callback(listener(name, base.module_named(name)).remove)
        for number, ids in enumerate(batches):
            progress(number / len(batches), say("comparing the outputs of the layers"))
            base.hidden(ids.to(base.device))
    return {name: float((change / energy).sqrt()) for name, (change, energy) in sums.items() if energy > 0}
