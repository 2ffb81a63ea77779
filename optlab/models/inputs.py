"""Rounding what a linear layer reads, as a kernel that multiplies integers does.

The rounding is a forward hook on the layer, so it acts wherever the model computes (evaluation, calibration, text), is
copied with the model, and leaves the names of its weights alone. Numbers stay in the model's dtype: what is rounded
here and multiplied as floats is what codes multiplied as integers give, but for the order of the sum.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from optlab.files import JsonObject


@dataclass(frozen=True)
class InputFormat:
    """Symmetric codes of `bits` bits, from -(2^(bits-1) - 1) to 2^(bits-1) - 1. scale: of every token the same, from
    calibration; None = each token's own, from its largest number when the model runs."""

    bits: int
    scale: float | None = None

    @property
    def largest(self) -> int:
        """The largest code."""
        return (1 << (self.bits - 1)) - 1

    def step(self, x: Tensor) -> Tensor:
        """What code 1 stands for: float32 [..., 1] for x [..., in]."""
        if self.scale is not None:
            return torch.full((*x.shape[:-1], 1), self.scale, device=x.device)
        # A token of zeros would have a step of 0.
        return x.abs().amax(-1, keepdim=True).float().div_(self.largest).clamp_min_(torch.finfo(torch.float32).tiny)

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        """Whole numbers, float32, of x [..., in]."""
        return (x.float() / step).round_().clamp_(-self.largest, self.largest)

    def rounded(self, x: Tensor) -> Tensor:
        """x [..., in] as the layer sees it, in the dtype of x."""
        step = self.step(x)
        return self.codes(x, step).mul_(step).to(x.dtype)

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The forward hook."""
        return (self.rounded(args[0]), *args[1:])

    def meta(self) -> JsonObject:
        """Plain JSON; InputFormat(**meta) is the same again."""
        return asdict(self)


def round_inputs(module: nn.Module, chosen: InputFormat) -> None:
    """From now on `module` rounds what it reads to `chosen`, and to nothing else."""
    for number in [number for number, hook in module._forward_pre_hooks.items() if isinstance(hook, InputFormat)]:
        del module._forward_pre_hooks[number]
    module.register_forward_pre_hook(chosen)


def input_format(module: nn.Module) -> InputFormat | None:
    """How `module` rounds what it reads; None = not at all."""
    return next((hook for hook in module._forward_pre_hooks.values() if isinstance(hook, InputFormat)), None)


def input_formats(module: nn.Module) -> dict[str, InputFormat]:
    """All layers inside `module` that round what they read, by name."""
    found = {name: input_format(part) for name, part in module.named_modules()}
    return {name: chosen for name, chosen in found.items() if chosen is not None}
