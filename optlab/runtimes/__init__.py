"""Other programs that run an exported model, as measured references: each in one small file, all with one contract.

The contract is that of our own (`optlab.kernels.runtime.Runtime`): what is timed, what writes text and what is compared
with us need not know whose program answers. A new one is one file and one line in `ENGINES`. None of their packages is
needed for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from optlab.errors import MeasurementError

if TYPE_CHECKING:
    from optlab.kernels.runtime import Runtime


@dataclass(frozen=True)
class Engine:
    """A program. opens: "module:class", called with the file and the number of threads. suffix: ending of the files
    that it opens. package: what pip installs for it."""

    name: str
    opens: str
    suffix: str
    package: str


ENGINES = (
    Engine("llama.cpp", "optlab.runtimes.llama_cpp:LlamaCpp", ".gguf", "llama-cpp-python"),
    Engine("onnxruntime", "optlab.runtimes.onnx_runtime:OnnxRuntime", ".onnx", "onnxruntime"),
    Engine("openvino", "optlab.runtimes.openvino:OpenVino", ".onnx", "openvino"),
)
"""The first that opens an ending is the usual one for it."""


def open_runtime(file: Path, threads: int | None = None, engine: str | None = None) -> Runtime:
    """The program `engine` with the exported model in `file`; by default the usual one for its ending.

    Raises MeasurementError when there is no such program, its package is missing, or it cannot read the file.
    """
    names = ", ".join(known.name for known in ENGINES)
    if engine is not None:
        chosen = next((known for known in ENGINES if known.name == engine), None)
        if chosen is None:
            raise MeasurementError("there is no program {engine!r}; use {names}", engine=engine, names=names)
    else:
        chosen = next((known for known in ENGINES if known.suffix == file.suffix), None)
        if chosen is None:
            raise MeasurementError("nothing runs {file}; {names} open .gguf or .onnx", file=file.name, names=names)
    if not file.is_file():
        raise MeasurementError("there is no file {file}", file=file)
    try:
        opened: Runtime = resolve_name(chosen.opens)(file, threads)
    except ImportError as error:
        raise MeasurementError(
            "{name} is not installed here: pip install {package} ({error})",
            name=chosen.name, package=chosen.package, error=error,
        ) from None  # fmt: skip
    return opened
