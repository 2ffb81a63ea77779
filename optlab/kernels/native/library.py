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
from functools import cache
from pathlib import Path

from filelock import FileLock

from optlab import paths, sealed
from optlab.kernels.native.layout import assertions
from optlab.machine.processor import cpu_flags

FOLDER = Path(__file__).parent
SOURCES = tuple(FOLDER / name for name in ("decode.cpp", "prompt.cpp"))
HEADERS = tuple(FOLDER / name for name in ("rows.h", "batched_rows.h", "steps.h", "attention.h", "model.h", "prompt.h"))
NEEDED = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_bf16")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-shared", "-fPIC")
COMPILERS = ("g++", "clang++")
TIMEOUT_S = 120
DISABLE = "OPTLAB_NATIVE"
"""Environment variable; 0 leaves everything to torch."""


class Linear(ctypes.Structure):
    """rows.h, Linear."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("kind", "out", "in_", "group")),
        *((name, ctypes.c_void_p) for name in ("weight", "scale", "offset", "bias")),
        ("levels", ctypes.c_int32),
        ("step", ctypes.c_float),
    )


class Norm(ctypes.Structure):
    """steps.h, Norm."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("weight", "bias"))


class Block(ctypes.Structure):
    """model.h, Block."""

    _fields_ = (
        *(
            (f"{name}_norm", Norm)
            for name in ("attention", "attention_output", "mlp", "mlp_output", "q", "k")
        ),
        *((name, Linear) for name in ("q", "k", "v", "o", "gate", "up", "down")),
        *((name, ctypes.c_void_p) for name in ("cos", "sin")),
        ("window", ctypes.c_int32),
    )  # fmt: skip


class Model(ctypes.Structure):
    """model.h, Model."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                "blocks", "width", "heads", "kv_heads", "head_dim", "mlp_width", "vocabulary", "length", "activation",
                "gated", "centred", "parallel", "turned", "query_norm", "threads",
            )
        ),
        *(
            (name, ctypes.c_float)
            for name in (
                "eps", "embedding_scale", "attention_scale", "attention_cap", "residual_scale", "logit_scale",
                "logit_cap",
            )
        ),
        ("block", ctypes.c_void_p),
        ("norm", Norm),
        *((name, ctypes.c_void_p) for name in ("embedding", "positions")),
        ("head", Linear),
        *((name, ctypes.c_void_p) for name in ("keys", "values")),
        *((name, ctypes.c_int64) for name in ("key_room", "value_room")),
        *((name, ctypes.c_void_p) for name in ("shared", "scratch")),
        ("scratch_floats", ctypes.c_int64),
    )  # fmt: skip


class Reading(ctypes.Structure):
    """prompt.h, Reading."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("rounded", "codes", "steps")),
        *((name, ctypes.c_int32) for name in ("width", "levels")),
        ("step", ctypes.c_float),
    )


class Products(ctypes.Structure):
    """prompt.h, Products."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("values", "steps", "scale", "bias")),
        ("width", ctypes.c_int32),
    )


STRUCTURES = (Linear, Norm, Block, Model, Reading, Products)
_NUMBER, _MEMORY = ctypes.c_int32, ctypes.c_void_p
_MODEL, _WEIGHT, _NORM, _READING, _PRODUCTS = map(ctypes.POINTER, (Model, Linear, Norm, Reading, Products))
SIGNATURES: dict[str, tuple[type, ...]] = {
    "optlab_decode": (_MODEL, _NUMBER, _MEMORY, _MEMORY, _MEMORY),
    "optlab_multiply": (_WEIGHT, _MEMORY, _MEMORY, _MEMORY, _NUMBER),
    "optlab_expand": (_WEIGHT, _MEMORY, _MEMORY, _NUMBER),
    "optlab_read": (_MEMORY, ctypes.c_int64, _NUMBER),
    "optlab_prompt_norm": (_MODEL, _MEMORY, _PRODUCTS, _NORM, _NORM, _READING, _NUMBER, _NUMBER),
    "optlab_prompt_activate": (_MODEL, _PRODUCTS, _READING, _NUMBER, _NUMBER),
    "optlab_prompt_attention": (_MODEL, _NUMBER, _PRODUCTS, _MEMORY, _MEMORY, _READING, _NUMBER, _NUMBER, _NUMBER),
}


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
    for name, arguments in SIGNATURES.items():
        getattr(loaded, name).argtypes, getattr(loaded, name).restype = arguments, None
    loaded.optlab_read.restype = ctypes.c_int64
    return loaded, ""


def _built(compiler: str) -> Path:
    """The shared library for these sources, this compiler and this processor; built now when there is none."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    layout = assertions(STRUCTURES, [header.name for header in HEADERS])
    decides = [source.read_bytes() for source in (*SOURCES, *HEADERS)]
    decides += [part.encode() for part in (layout, version.stdout, *FLAGS, *sorted(cpu_flags()))]
    key = hashlib.sha256(b"\0".join(decides)).hexdigest()[:16]
    target = paths.folder("native") / f"decode-{key}.so"
    with FileLock(target.with_suffix(".lock")):
        if not sealed.intact(target):
            with sealed.writing(target) as made:
                check = made.with_name("layout.cpp")
                check.write_text(layout, encoding="utf-8")
                # at a low priority: it may be built beside a run that does not need it yet
                command = [*_nicely(), compiler, *FLAGS, f"-I{FOLDER}", *map(str, (check, *SOURCES)), "-o", str(made)]
                subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return target


def _nicely() -> list[str]:
    nice = shutil.which("nice")
    return [nice, "-n", "10"] if nice else []
