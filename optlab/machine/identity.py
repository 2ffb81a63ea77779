"""What this machine is, as far as a measurement depends on it. Torch-free, because keys of runs are made in pages.

Latency belongs to a machine; a perplexity does not. The precision that 'auto' stands for depends on the processor, and
is settled when a run is submitted, so that its key and its page say which one was used.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from optlab.machine.processor import cores, cpu_has_bfloat16, cpu_multiplies_bfloat16, processor


def reading_dtype(device: str = "auto") -> str:
    """What 'auto' stands for when texts are read, many tokens at once: bfloat16 where matrices multiply faster in it,
    else float32. float32 needs no memory of its own: both models are held in it while they are compared."""
    return "bfloat16" if on_gpu(device) or cpu_multiplies_bfloat16() else "float32"


def decoding_dtype(device: str = "auto") -> str:
    """What 'auto' stands for when tokens are written one by one, which reading weights bounds: bfloat16, as checkpoints
    store them, where the device computes with it, else float32."""
    return "bfloat16" if on_gpu(device) or cpu_has_bfloat16() else "float32"


def on_gpu(device: str) -> bool:
    """Whether work that may go to `device` goes to a graphics card here."""
    return device.startswith("cuda") or (device == "auto" and bool(gpus()) and "+cpu" not in torch_version())


@cache
def gpus() -> tuple[str, ...]:
    """Names of the NVIDIA devices that the driver lists."""
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return tuple(line.split(":", 1)[1].strip() for path in found for line in path.read_text().splitlines()[:1])


@cache
def machine() -> str:
    """A name for people, such as 'AMD EPYC 9B14, 2 cores, 8 GB'."""
    parts = [processor(), f"{cores()} cores", f"{psutil.virtual_memory().total / 2**30:.0f} GB", *gpus()]
    return ", ".join(parts)


def machine_id() -> str:
    """Sixteen hex digits; equal where the same latencies are expected: same hardware, same version of torch."""
    return hashlib.sha256(f"{machine()}, torch {torch_version()}".encode()).hexdigest()[:16]


@cache
def torch_version() -> str:
    """The installed version of torch, read without importing it."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return "none"
