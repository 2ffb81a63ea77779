"""Weights of a checkpoint by the name of their parameter, each read when it is asked for.

Read into a buffer, not mapped: pages of a mapped file count as memory of the process for as long as it is open.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optlab.compression import DTYPES
from optlab.errors import ModelError
from optlab.models.checkpoint import Checkpoint, TensorEntry
from optlab.models.families import placed
from optlab.models.soundness import check_finite


class Source:
    """The weights of `checkpoint`, whose folder may hold one file or shards."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Raises ModelError where file and config.json do not fit."""
        self.checkpoint = checkpoint
        self._entries = {place: checkpoint.tensors[name] for name, place in placed(checkpoint).places.items()}

    def read(self, parameter: str, dtype: torch.dtype) -> Tensor:
        """One parameter as the module keeps it, in `dtype`. Raises ModelError when it cannot be read, or holds what is
        no number."""
        values = _values(self._entries[parameter]).to(dtype)
        check_finite(parameter, values)
        return values


def _values(entry: TensorEntry) -> Tensor:
    found = torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
    left = memoryview(found.view(-1).view(torch.uint8).numpy().data)
    try:
        with entry.file.open("rb", buffering=0) as stream:
            stream.seek(entry.start)
            while left:
                read = stream.readinto(left)
                if not read:
                    raise ModelError("{name} has become shorter while it was read", name=entry.file.name)
                left = left[read:]
    except OSError as error:
        raise ModelError("{name} cannot be read: {error}", name=entry.file.name, error=error) from None
    return found
