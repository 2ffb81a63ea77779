"""A model's weights as its own files hold them, before OptLab made floats of them: how many bits, and which codes.

A source is a folder in hub layout, packed or not, or a GGUF file (`optlab.models.catalog.source_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.models.checkpoint import open_checkpoint
from optlab.models.quantized.layers import packed_format, packed_layers

if TYPE_CHECKING:
    from optlab.formats.integer_tensor import QuantizedTensor


def weight_files(source: Path) -> tuple[Path, ...]:
    """The weight files at `source`, a folder or a GGUF file: all parts of it."""
    if source.is_file():
        from optlab.models.gguf.file import split_parts

        return split_parts(source)
    return open_checkpoint(source, packed=True).files


def bits_per_weight(source: Path, sizes: Mapping[str, int]) -> dict[str, float]:
    """Layer -> bits that its file spends on each weight, with scales and zero points.

    sizes: layer by its hub name -> how many weights it has. Left out are layers that the file keeps in one tensor with
    others, such as the experts of a GGUF file. Raises ModelError as `optlab.models.load` does.
    """
    if source.is_file():
        from optlab.models.gguf.file import GGUFFile
        from optlab.models.gguf.understanding import understood

        file = GGUFFile(source)
        architecture = understood(file)
        bytes_of = {str(architecture.hub_name(one)): tensor.bytes for one, tensor in file.tensors.items()}
    else:
        checkpoint = open_checkpoint(source, packed=True)
        bytes_of = {entry.name: entry.bytes for entry in checkpoint.tensors.values()}
        format = packed_format(checkpoint)
        packed = packed_layers(checkpoint, format) if format is not None else ()
        bytes_of |= {f"{layer.name}.weight": layer.bytes for layer in packed}
    return {
        layer: 8 * bytes_of[f"{layer}.weight"] / count
        for layer, count in sizes.items()
        if f"{layer}.weight" in bytes_of
    }


def packed_codes(source: Path) -> dict[str, QuantizedTensor]:
    """Layer -> its codes, where the packed kernels take them as the file has them. Raises ModelError."""
    from optlab.formats.integer_tensor import QuantizedTensor

    if source.is_file():
        return {}
    checkpoint = open_checkpoint(source, packed=True)
    format = packed_format(checkpoint)
    if format is None:
        return {}
    read = {layer.name: layer.weight() for layer in packed_layers(checkpoint, format)}
    return {layer: weight for layer, weight in read.items() if isinstance(weight, QuantizedTensor)}
