"""A safetensors file written tensor after tensor, so that no more than one is in memory.

The format wants its header first, but dtypes are only known once a tensor was made; so room for the longest possible
header is left at the beginning and filled at the end, padded with spaces as the format allows.
Source: github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optlab.files import JsonObject

DTYPES = {"float16": "F16", "float32": "F32", "uint16": "BF16"}
"""numpy's dtype -> safetensors' word. numpy has no bfloat16: its bits come as uint16."""
LARGEST_OFFSET = 1 << 60


class SafetensorsWriter:
    """Writes one file. names: all tensors that will come, for the size of the header. Use it in a `with`."""

    def __init__(self, file: Path, names: Iterable[str], dimensions: int = 4) -> None:
        entry = {"dtype": "BF16", "shape": [LARGEST_OFFSET] * dimensions, "data_offsets": [LARGEST_OFFSET] * 2}
        longest = {"__metadata__": {"format": "pt"}, **dict.fromkeys(names, entry)}
        self.room = -(-len(json.dumps(longest)) // 8) * 8
        self.stream = file.open("wb", buffering=0)
        self.stream.seek(8 + self.room)
        self.entries: JsonObject = {"__metadata__": {"format": "pt"}}
        self.size = 0

    def __enter__(self) -> SafetensorsWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            header = json.dumps(self.entries, separators=(",", ":")).encode().ljust(self.room)
            os.pwrite(self.stream.fileno(), len(header).to_bytes(8, "little") + header, 0)
        self.stream.close()

    def add(self, name: str, array: Any) -> None:
        """Append a float16, float32 or uint16 (bfloat16) array. Raises OSError when the disk is full."""
        import numpy as np

        array = np.ascontiguousarray(array)
        size = int(array.nbytes)
        shape, offsets = list(array.shape), [self.size, self.size + size]
        self.entries[name] = {"dtype": DTYPES[array.dtype.name], "shape": shape, "data_offsets": offsets}
        left = memoryview(array.reshape(-1).view(np.uint8))
        while left:
            left = left[self.stream.write(left) or 0 :]
        self.size += size
