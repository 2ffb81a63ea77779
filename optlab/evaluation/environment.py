"""On which machine, and with which versions, a figure was measured. Works without torch.

A latency without the processor, its instructions and the number of threads cannot be repeated or compared.
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import psutil

from optlab.machine.processor import cores, cpu_flags, processor
from optlab.results.environment import Environment

PACKAGES = ("optlab", "torch", "transformers", "tokenizers", "safetensors", "numpy")
INSTRUCTIONS = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "asimddp", "bf16",
    "i8mm", "sve",
)  # fmt: skip
"""Processor flags that decide how fast weights of a few bits, or of bfloat16, multiply."""


def record() -> Environment:
    """This machine as it is now, for results."""
    torch = sys.modules.get("torch")
    return Environment(
        processor=processor(),
        cores=cores(),
        instructions=tuple(flag for flag in INSTRUCTIONS if flag in cpu_flags()),
        memory_bytes=psutil.virtual_memory().total,
        system=platform.platform(),
        threads=torch.get_num_threads() if torch is not None else None,
        load=load(),
        versions=versions(),
    )


def of_this_machine(recorded: Environment) -> bool:
    """Whether a `record` may be of this machine, so that its times hold here: the same processor, as many cores."""
    return recorded.processor == processor() and recorded.cores == cores()


def versions() -> dict[str, str]:
    """Installed versions of Python and of what computes, read without importing it."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def load() -> float | None:
    """Processes that wanted a core, on average over the last minute; None where the system does not count them."""
    try:
        return round(psutil.getloadavg()[0], 2)
    except OSError:
        return None
