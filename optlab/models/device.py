"""Which device, and which precision it is fast in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.errors import ModelError
from optlab.machine.processor import cpu_has_bfloat16, cpu_multiplies_bfloat16

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" = CUDA, else MPS, else the CPU. Raises ModelError when it is not here."""
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError("device {name!r} does not exist; use auto, cpu, cuda or mps", name=name) from None
    here = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not here.get(device.type, False):
        raise ModelError("this machine has no {name} device that torch can use; use auto or cpu", name=name)
    return device


def choose_dtype(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The torch dtype called `name`; "auto" = bfloat16 where matrices multiply faster in it, else float32.
    Raises ModelError."""
    import torch

    if isinstance(name, torch.dtype):
        name = str(name).removeprefix("torch.")
    if name == "auto":
        fast = {"cpu": cpu_multiplies_bfloat16(), "cuda": device.type == "cuda" and torch.cuda.is_bf16_supported()}
        name = "bfloat16" if fast.get(device.type, False) else "float32"
    if name not in DTYPES:
        raise ModelError("dtype {name!r} is not offered; use auto, {dtypes}", name=name, dtypes=", ".join(DTYPES))
    found: torch.dtype = getattr(torch, name)
    return found


def trains_in_bfloat16(device: torch.device) -> bool:
    """Whether training is quicker when it multiplies in bfloat16 (nano on AVX512-BF16: 1.8 times, docs/log.md)."""
    import torch

    if device.type == "cpu":
        return cpu_has_bfloat16()
    return device.type == "cuda" and torch.cuda.is_bf16_supported()
