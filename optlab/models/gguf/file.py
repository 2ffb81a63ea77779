"""A model in one GGUF file or in several parts: its metadata, its tensors, and how its weights are stored."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

from optlab.errors import ModelError
from optlab.messages import say
from optlab.models.gguf import blocks
from optlab.models.gguf.header import Header, TensorInfo, read_header
from optlab.models.hub_config import HubConfig

FLOAT_TYPES = ("F32", "F16", "BF16", "F64")
PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")


class GGUFFile:
    """An opened model. path: the file that was named; parts: all files it consists of.

    Raises ModelError when it is not sound, when a part is missing, or when it is something else than a model.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        headers = _parts(path)
        self.parts = tuple(header.file for header in headers)
        self.values = headers[0].values
        kind = self.values.get("general.type", "model")
        if kind != "model":
            raise ModelError(
                "{file} is not a model but {what}",
                file=path.name,
                what=OTHER_TYPES.get(kind, repr(kind)),
            )
        self.architecture = self._architecture()
        self.tensors: dict[str, TensorInfo] = {}
        for header in headers:
            for tensor in header.tensors:
                if tensor.name in self.tensors:
                    raise ModelError(
                        "{file} holds {tensor}, which another part holds already",
                        file=header.file.name,
                        tensor=tensor.name,
                    )
                self.tensors[tensor.name] = tensor
        if not self.tensors:
            raise ModelError("{file} holds no tensors", file=path.name)

    def _architecture(self) -> str:
        name = self.values.get("general.architecture")
        if not isinstance(name, str) or not name:
            raise ModelError("{file} does not say its architecture (general.architecture)", file=self.path.name)
        return name

    def value(self, key: str, default: Any = None) -> Any:
        """A metadata value: a number, a word or a list."""
        return self.values.get(key, default)

    def own(self, key: str, default: Any = None) -> Any:
        """A metadata value under the architecture's name: own("block_count") is llama.block_count for a Llama."""
        return self.value(f"{self.architecture}.{key}", default)

    def number(self, key: str, default: float | None = None) -> Any:
        """A number under the architecture's name. A list, a value per layer, counts as one when all are equal.

        Raises ModelError when it is missing without a default, no number, or differs between layers.
        """
        value = self.own(key, default)
        if isinstance(value, list):
            if len(set(value)) != 1:
                raise ModelError(
                    "{file} has another {key} in each layer ({architecture}.{key}); only models with equal layers are "
                    "read",
                    file=self.path.name,
                    key=key,
                    architecture=self.architecture,
                )
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ModelError(
                "{file} lacks {architecture}.{key}, or it is not a number",
                file=self.path.name,
                architecture=self.architecture,
                key=key,
            )
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """A positive whole number under the architecture's name. Raises ModelError."""
        value = self.number(key, default)
        if value != int(value) or value < 1:
            raise ModelError(
                "{file} has {value} as {architecture}.{key}, which must be 1 or more",
                file=self.path.name,
                value=value,
                architecture=self.architecture,
                key=key,
            )
        return int(value)

    def decimal(self, key: str, default: float | None = None) -> float:
        """A number as it was meant: 1e-05 for 9.999999747378752e-06, a float32 widened."""
        import numpy as np

        return float(str(np.float32(self.number(key, default))))

    def weights(self, name: str) -> Any:
        """The numbers of a tensor, see `blocks.weights`."""
        return blocks.weights(self.tensors[name])

    def storage(self) -> HubConfig:
        """How the weights are stored: {"format", "bits", "block", "layers", "types", "mean_bits", "embedding",
        "file_bytes"}.

        types: the share of bytes that each type has in the matrices of the blocks, the largest first; mean_bits: their
        bits per weight. format, bits per code and block length are those of the first type, `layers` the matrices that
        have it.
        """
        import gguf

        matrices = [tensor for tensor in self.tensors.values() if len(tensor.shape) > 1]
        layers = [t for t in matrices if t.name.startswith("blk.")] or matrices or list(self.tensors.values())
        held = Counter[Any]()
        for tensor in layers:
            held[tensor.kind] += tensor.bytes
        kind = held.most_common(1)[0][0]
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        embedding = self.tensors.get("token_embd.weight")
        total = sum(held.values())
        return {
            "format": kind.name,
            "bits": _bits(kind.name, block, block_bytes),
            "block": block,
            "layers": sum(tensor.kind == kind for tensor in layers),
            "types": {one.name: round(size / total, 4) for one, size in held.most_common()},
            "mean_bits": round(8 * total / sum(tensor.elements for tensor in layers), 2),
            "embedding": embedding.kind.name if embedding is not None else None,
            "file_bytes": sum(part.stat().st_size for part in self.parts),
        }


OTHER_TYPES = {
    "adapter": say("an adapter (LoRA), which changes a model that it does not hold"),
    "mmproj": say("the image or audio part of one (mmproj)"),
    "imatrix": say("an importance matrix, which a quantizer reads"),
}


def split_parts(path: Path) -> tuple[Path, ...]:
    """All files of the model that `path` is a part of, by their names; `path` alone when it is whole."""
    match = PART.fullmatch(path.name)
    if match is None:
        return (path,)
    stem, _, count = match.groups()
    return tuple(path.with_name(f"{stem}-{number:05}-of-{count}.gguf") for number in range(1, int(count) + 1))


def _parts(path: Path) -> list[Header]:
    """The headers of all parts, the first one's first. Raises ModelError."""
    first = read_header(path)
    count = first.values.get("split.count", 0)
    if not isinstance(count, int) or count < 2:
        return [first]
    files = split_parts(path)
    if len(files) != count:
        raise ModelError(
            "{file} is one of {count} parts, which are found by names like model-00001-of-{count:05}.gguf; give "
            "the parts their names back",
            file=path.name,
            count=count,
        )
    if missing := [file.name for file in files if not file.is_file()]:
        raise ModelError(
            "{file} is one of {count} parts; {missing} is missing beside it",
            file=path.name,
            count=count,
            missing=missing[0],
        )
    headers = [first if file == path else read_header(file) for file in files]
    for number, header in enumerate(headers):
        if header.values.get("split.no") != number or header.values.get("split.count") != count:
            raise ModelError(
                "{file} is not part {number} of {count}, as its name says; copy it again",
                file=header.file.name,
                number=number + 1,
                count=count,
            )
    total = headers[0].values.get("split.tensors.count")
    found = sum(len(header.tensors) for header in headers)
    if isinstance(total, int) and total != found:
        raise ModelError(
            "the parts of {file} hold {found} tensors of {total}; copy them again",
            file=path.name,
            found=found,
            total=total,
        )
    return headers


def _bits(name: str, block: int, block_bytes: int) -> int:
    """Bits per code, which the names state after the Q ("Q4_1", "IQ3_XXS"); bits per value for float formats."""
    digits = name.removeprefix("I").removeprefix("T").removeprefix("Q")[:1]
    return int(digits) if "Q" in name and digits.isdigit() else round(8 * block_bytes / block)
