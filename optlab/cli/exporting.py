"""The command that writes a compressed model for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optlab.cli.console import Json, Model, reporter, show
from optlab.errors import OptLabError
from optlab.progress import span


def export(
    model: Model,
    out: Annotated[Path, typer.Argument(help="The .gguf (llama.cpp) or .onnx (ONNX Runtime, OpenVINO) file to write.")],
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML); none exports the original.")] = None,
    calibration: Annotated[str | None, typer.Option(help="Calibration text; default: the model's own.")] = None,
    calibration_tokens: Annotated[int, typer.Option(help="Tokens of calibration text.")] = 16_384,
    as_json: Json = False,
) -> None:
    """Compress MODEL by a recipe and write it for another program: GGUF for llama.cpp, ONNX for ONNX Runtime."""
    from optlab.compression import compress
    from optlab.exports.formats import format_of
    from optlab.kernels import gguf_export, onnx_export
    from optlab.models import load
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe

    writers = {".gguf": gguf_export.export, ".onnx": onnx_export.export}
    if out.suffix not in writers:
        raise OptLabError(f"{out.name} ends neither in .gguf (llama.cpp) nor in .onnx (ONNX Runtime, OpenVINO)")
    if not out.parent.is_dir():  # told before a recipe that may take minutes
        raise OptLabError("{target} cannot be written: there is no folder {folder}", target=out, folder=out.parent)
    report = reporter(as_json)
    protocol = Protocol(calibration=calibration, calibration_tokens=calibration_tokens)
    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    original = load(model, "float32", "cpu", span(report, 0.0, 0.1))
    format_of(out.suffix.removeprefix(".")).check_model(original, chosen)  # a recipe may take minutes
    made = compress(original, chosen, protocol, span(report, 0.1, 0.9))
    types = writers[out.suffix](made, out, span(report, 0.9, 1.0))
    found = {"file": str(out), "bytes": out.stat().st_size, "types": types}
    listed = ", ".join(f"{count} {kind}" for kind, count in types.items())
    show(found, as_json, lambda one: f"{one['file']}: {one['bytes']:,} bytes; tensors: {listed}")
