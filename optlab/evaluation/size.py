"""How many bytes the weights take on disk, as the file system counts them, and which parts they belong to.

Size is never computed from bit-widths: it is the size of files that were written, with their scales, zero points,
indices and headers. Only safetensors count as weights; a tokenizer or a configuration does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from optlab.errors import ModelError
from optlab.models.checkpoint import TensorEntry, read_header

HEADERS = "file headers"


def weight_bytes(folder: Path) -> int:
    """`os.path.getsize` of the weight files of a folder in hub layout, added up.

    Raises ModelError when there is none.
    """
    return sum(file.stat().st_size for file in weight_files(folder))


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, by name. Raises ModelError when there is none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError("{folder} holds no weights; a .safetensors file is needed", folder=folder)
    return files


def bytes_by_tensor(folder: Path) -> dict[str, int]:
    """Bytes of every stored tensor, and of the files' headers under `HEADERS`; together they are `weight_bytes`."""
    entries: list[TensorEntry] = [entry for file in weight_files(folder) for entry in read_header(file)]
    sizes = {entry.name: entry.bytes for entry in entries}
    sizes[HEADERS] = weight_bytes(folder) - sum(sizes.values())
    return sizes


def bytes_by_kind(folder: Path, kinds: Mapping[str, str]) -> dict[str, int]:
    """Bytes per kind of layer ("mlp.down", "embedding", ...), headers under `HEADERS`, what is unknown under "other".

    kinds: layer name -> kind, for instance from `optlab.models.describe`. A packed layer's codes, scales and indices
    (`name.weight_packed`, `name.weight_scale`, ...) all count for that layer.
    """
    totals: dict[str, int] = {}
    for name, size in bytes_by_tensor(folder).items():
        kind = name if name == HEADERS else kinds.get(name) or kinds.get(name.rpartition(".")[0]) or "other"
        totals[kind] = totals.get(kind, 0) + size
    return totals
