"""The packed layers of a checkpoint: which tensors belong to each, and its weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.models.checkpoint import FLOATS, Checkpoint, TensorEntry
from optlab.models.quantized.format import PackedFormat
from optlab.models.quantized.registry import format_of

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.formats.integer_tensor import QuantizedTensor


@dataclass(frozen=True)
class PackedLayer:
    """One weight as a tool stored it. name: the layer's. parts: its tensors by what stands behind name and dot."""

    name: str
    format: PackedFormat
    parts: Mapping[str, TensorEntry]
    settings: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """Codes, scales, zero points and all else that belongs to the weight."""
        return sum(entry.bytes for entry in self.parts.values())

    def weight(self) -> Tensor | QuantizedTensor:
        """The weight [out, in] as numbers (float32), or as codes that the packed kernels take as they are.

        Raises ModelError when the parts do not fit together.
        """
        try:
            return self.format.read(self.name, read_as_stored(self.parts), self.settings)
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError, StopIteration) as error:
            raise ModelError(
                "the {format} weight of {layer} is damaged or in a layout that is not read ({error})",
                format=self.format.name,
                layer=self.name,
                error=error,
            ) from None


def packed_format(checkpoint: Checkpoint) -> PackedFormat | None:
    """The format of the packed weights in a checkpoint; None when its weights are floats, or packed in another way.

    Raises ModelError when the format is read, but not in this variant.
    """
    settings = checkpoint.config.get("quantization_config")
    if not isinstance(settings, Mapping):
        return None
    found = format_of(settings.get("quant_method"))
    if found is None or not any(_is_packed(found, checkpoint, name) for name in _names(found, checkpoint)):
        return None
    why = found.refuses(settings)
    if why is not None:
        raise ModelError(
            "{name} stores its weights as {format}, but {why}; use another file of the model",
            name=checkpoint.folder.name,
            format=found.name,
            why=why,
        )
    return found


def packed_layers(checkpoint: Checkpoint, format: PackedFormat) -> Iterator[PackedLayer]:
    """Every packed layer of a checkpoint in this format, by name."""
    tensors = checkpoint.tensors
    for name in _names(format, checkpoint):
        if _is_packed(format, checkpoint, name):
            parts = {part: tensors[f"{name}.{part}"] for part in format.parts if f"{name}.{part}" in tensors}
            yield PackedLayer(name, format, parts, checkpoint.config["quantization_config"])


def _names(format: PackedFormat, checkpoint: Checkpoint) -> list[str]:
    ends = tuple(f".{marker}" for marker in format.markers)
    marked = {
        name.removesuffix(end) for name in checkpoint.tensors for end in ends if name.endswith(end) and name != end
    }
    return sorted(marked)


def _is_packed(format: PackedFormat, checkpoint: Checkpoint, name: str) -> bool:
    """Whether the layer holds no plain weight beside its marker, as the scale of an activation may be one."""
    weight = checkpoint.tensors.get(f"{name}.weight")
    return weight is None or weight.dtype not in FLOATS


def read_as_stored(entries: Mapping[str, TensorEntry]) -> dict[str, Tensor]:
    """Tensors of safetensors files in the dtype that they are stored in, by their keys. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, Tensor] = {}
    for file in sorted({entry.file for entry in entries.values()}):
        try:
            with safe_open(file, framework="pt") as stream:
                for key, entry in entries.items():
                    if entry.file == file:
                        found[key] = stream.get_tensor(entry.name)
        except (SafetensorError, OSError) as error:
            raise ModelError("{name} cannot be read: {error}", name=file.name, error=error) from None
    return found
