"""What a format of packed weights is: how its layers are told, and how one of them becomes numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.messages import Message

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.formats.integer_tensor import QuantizedTensor

Settings = Mapping[str, Any]
"""The `quantization_config` of a config.json."""


def _nothing(settings: Settings) -> Message | None:
    return None


@dataclass(frozen=True)
class PackedFormat:
    """name: as people call it. methods: what `quant_method` says. markers: parts that every packed layer has one of.
    parts: all tensors of a packed layer, by what stands behind the layer's name and a dot. read: layer, its parts and
    the settings -> its weight [out, in], as floats (float32) or as codes that the packed kernels take as they are;
    raises ValueError or KeyError when they do not fit. refuses: why a checkpoint with these settings is not read."""

    name: str
    methods: tuple[str, ...]
    markers: tuple[str, ...]
    parts: tuple[str, ...]
    read: Callable[[str, Mapping[str, Tensor], Settings], Tensor | QuantizedTensor]
    refuses: Callable[[Settings], Message | None] = _nothing
