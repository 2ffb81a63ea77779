"""What the divergence leaves out of the loss: its first order, the gradient on the very words of a measurement.

A difference of losses is the divergence plus what the text itself says about the direction of the change. A model is at
the optimum of the words it was trained on and of no others, so on any text the loss has a slope, and a recipe that
leans one way gains what another loses: on nano between -0.3 and +0.4 of the divergence, correlated 0.90 with what was
measured. The slope is the gradient of the mean loss times the change of the weights, one number for each layer and
level, and adds up.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optlab.calibrate.gradients import loss
from optlab.models.language_model import LanguageModel
from optlab.models.structure import is_conv1d
from optlab.progress import Progress, silent


def gradients(
    model: LanguageModel, windows: list[list[int]], names: list[str], progress: Progress = silent
) -> dict[str, Tensor]:
    """Gradient of the mean loss (nats per token) over `windows` by each weight, float32 [out, in], by name.

    Memory: as much as these weights in float32. Raises ModelError for a masked model without a mask token.
    """
    modules = {name: model.module_named(name) for name in names}
    weights = {name: module.get_parameter("weight") for name, module in modules.items()}
    parameters = list(model.module.parameters())
    before = [parameter.requires_grad for parameter in parameters]
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    generator = torch.Generator().manual_seed(0)
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        for weight in weights.values():
            weight.requires_grad_(True)
        with torch.enable_grad():
            for done, window in enumerate(windows):
                progress(done / len(windows), "learning how the loss of the text leans")
                found = loss(model, torch.tensor([window], device=model.device), generator)
                for name, gradient in zip(weights, torch.autograd.grad(found, list(weights.values())), strict=True):
                    sums[name] += gradient / len(windows)
    finally:
        for parameter, wanted in zip(parameters, before, strict=True):
            parameter.requires_grad_(wanted)
    return {name: total.T if is_conv1d(modules[name]) else total for name, total in sums.items()}
