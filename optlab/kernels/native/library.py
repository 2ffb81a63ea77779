"""The decode loop in C++: built once per machine with the compiler that is there, called through ctypes.

`library()` says why it cannot be used where it cannot (no compiler, a processor without AVX512-BF16); then everything
runs on torch's kernels, which compute the same.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from optlab import paths
from optlab.models.device import cpu_flags

SOURCES = tuple(Path(__file__).parent / name for name in ("decode.cpp", "rows.h"))
NEEDED = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_bf16")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-shared", "-fPIC")
COMPILERS = ("g++", "clang++")
TIMEOUT_S = 120
DISABLE = "OPTLAB_NATIVE"
"""Environment variable; 0 leaves everything to torch."""


class Linear(ctypes.Structure):
    """rows.h, Linear."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "outputs", "inputs", "group")),
        *((name, ctypes.c_void_p) for name in ("weight", "scale", "offset", "bias")),
        ("levels", ctypes.c_int32),
        ("step", ctypes.c_float),
    )


class Block(ctypes.Structure):
    """decode.cpp, Block."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("input_norm", "post_norm")),
        *((name, Linear) for name in ("q", "k", "v", "o", "gate", "up", "down")),
    )


class Model(ctypes.Structure):
    """decode.cpp, Model."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                "blocks", "width", "heads", "kv_heads", "head_dim", "mlp_width", "vocabulary", "length", "gelu",
                "threads",
            )
        ),
        *((name, ctypes.c_float) for name in ("eps", "embedding_scale")),
        *((name, ctypes.c_void_p) for name in ("block", "norm", "embedding")),
        ("head", Linear),
        *((name, ctypes.c_void_p) for name in ("cos", "sin", "keys", "values", "shared", "scratch")),
        ("scratch_floats", ctypes.c_int64),
    )  # fmt: skip


@cache
def library() -> tuple[ctypes.CDLL | None, str]:
    """(the built library, '') or (None, why there is none, as a sentence)."""
    if os.environ.get(DISABLE) == "0":
        return None, f"the C++ loop is switched off ({DISABLE}=0)"
    missing = [flag for flag in NEEDED if flag not in cpu_flags()]
    if missing:
        return None, f"this processor has no {missing[0]}, which the C++ loop needs"
    names = (os.environ.get("CXX"), *COMPILERS)
    compiler = next((found for name in names if name and (found := shutil.which(name))), None)
    if compiler is None:
        return None, "no C++ compiler was found (g++ or clang++), so tokens are computed operator by operator"
    try:
        loaded = ctypes.CDLL(str(_built(compiler)))
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return None, f"the C++ loop could not be built with {compiler}: {said.strip().splitlines()[0]}"
    loaded.optlab_decode.argtypes = (ctypes.POINTER(Model), ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p)
    loaded.optlab_expand.argtypes = (ctypes.POINTER(Linear), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32)
    loaded.optlab_multiply.argtypes = (ctypes.POINTER(Linear), *[ctypes.c_void_p] * 3, ctypes.c_int32)
    loaded.optlab_read.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32)
    loaded.optlab_read.restype = ctypes.c_int64
    loaded.optlab_decode.restype = loaded.optlab_expand.restype = loaded.optlab_multiply.restype = None
    return loaded, ""


def _built(compiler: str) -> Path:
    """The shared library for these sources, this compiler and this processor; built now when there is none."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    decides = [source.read_bytes() for source in SOURCES]
    decides += [part.encode() for part in (version.stdout, *FLAGS, *sorted(cpu_flags()))]
    key = hashlib.sha256(b"\0".join(decides)).hexdigest()[:16]
    target = paths.folder("native") / f"decode-{key}.so"
    with FileLock(target.with_suffix(".lock")):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
                made = Path(unfinished) / target.name
                command = [compiler, *FLAGS, str(SOURCES[0]), "-o", str(made)]
                subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
                made.replace(target)
    return target
