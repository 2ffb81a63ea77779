"""The processor: its name, what it can do, and how many of its cores are ours. Torch-free."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

BFLOAT16_MATRICES = frozenset({"amx_bf16", "bf16"})
"""Intel's tiles, and Arm's BFMMLA: units that multiply matrices of bfloat16."""


@cache
def cpu_flags() -> frozenset[str]:
    """What the processor can do, in Linux's words ("avx2", "avx512_bf16", "amx_bf16"); empty where it is not known."""
    if platform.system() != "Linux":
        return frozenset()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    # Arm calls the line "Features", and its bfloat16 instructions "bf16".
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def cpu_has_bfloat16() -> bool:
    """Whether this processor computes with bfloat16 itself. Decoding gains from it, because it reads half the bytes;
    matrix by matrix it may still be slower than float32 (`cpu_multiplies_bfloat16`)."""
    return bool(cpu_flags() & {"avx512_bf16", *BFLOAT16_MATRICES})


def cpu_multiplies_bfloat16() -> bool:
    """Whether matrices multiply faster in bfloat16 than in float32: only units made for matrices do that. A Xeon with
    AVX512-BF16 and no AMX does 92 GFLOP/s a core in bfloat16 and 170 in float32."""
    return bool(cpu_flags() & BFLOAT16_MATRICES)


@cache
def processor() -> str:
    """The processor's name for people; the architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def cores() -> int:
    """Cores this process may use: affinity, the container's quota and OMP_NUM_THREADS, whichever is least."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit():
        limits.append(int(asked))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        limits.append(round(int(quota) / int(period)))
    except (OSError, ValueError):  # no control groups, or 'max': no quota
        pass
    return max(min(limits), 1)
