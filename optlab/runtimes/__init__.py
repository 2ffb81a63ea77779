"""Other programs that run an exported model, as measured references: each in one small file, all with one contract.

The contract is that of our own (`optlab.kernels.runtime.Runtime`): what is timed, what writes text and what is compared
with us need not know whose program answers. None of their packages is needed for anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.errors import MeasurementError

if TYPE_CHECKING:
    from optlab.kernels.runtime import Runtime


def open_runtime(file: Path, threads: int | None = None, engine: str | None = None) -> Runtime:
    """The program `engine` with the exported model in `file`; by default the one that its ending belongs to.

    Raises MeasurementError when there is no such program, its package is missing, or it cannot read the file.
    """
    engines = {"llama.cpp": _llama_cpp, "onnxruntime": _onnxruntime, "openvino": _openvino}
    usual = {".gguf": "llama.cpp", ".onnx": "onnxruntime"}
    name = engine or usual.get(file.suffix)
    if name not in engines:
        asked = f"no program {engine!r}" if engine else f"nothing runs {file.name}"
        raise MeasurementError(
            "{asked}; there are {engines} for .gguf and .onnx files",
            asked=asked,
            engines=", ".join(engines),
        )
    if not file.is_file():
        raise MeasurementError("there is no file {file}", file=file)
    try:
        return engines[name](file, threads)
    except ImportError as error:
        raise MeasurementError(
            "{name} is not installed here: pip install {packages} ({error})",
            name=name,
            packages=PACKAGES[name],
            error=error,
        ) from None


PACKAGES = {"llama.cpp": "llama-cpp-python", "onnxruntime": "onnxruntime", "openvino": "openvino"}

Opener = Callable[[Path, int | None], "Runtime"]


def _llama_cpp(file: Path, threads: int | None) -> Runtime:
    from optlab.runtimes.llama_cpp import LlamaCpp

    return LlamaCpp(file, threads)


def _onnxruntime(file: Path, threads: int | None) -> Runtime:
    from optlab.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime(file, threads)


def _openvino(file: Path, threads: int | None) -> Runtime:
    from optlab.runtimes.openvino import OpenVino

    return OpenVino(file, threads)
