"""Every format in which a model can be taken home. A new one is one file and one line here. Torch-free."""

from __future__ import annotations

from optlab.errors import OptLabError
from optlab.exports.export_format import ExportFormat
from optlab.exports.gguf import GGUF
from optlab.exports.onnx import ONNX
from optlab.exports.safetensors import SAFETENSORS

FORMATS = {one.name: one for one in (GGUF, SAFETENSORS, ONNX)}


def format_of(name: str) -> ExportFormat:
    """The format of that name. Raises OptLabError when there is none."""
    if name not in FORMATS:
        raise OptLabError("no model is written as {name!r}; use {known}", name=name, known=", ".join(FORMATS))
    return FORMATS[name]
