"""What the teacher says about a text, kept on disk, so that every epoch and every temperature asks it only once.

Kept is what the teacher's head reads, the hidden state of each position (float16), and the head is applied again: that
gives the whole distribution at every temperature for a fifth of the teacher's work, in 512 bytes per token for nano and
1152 for SmolLM2. Keeping the k likeliest tokens and the remaining mass would be cheaper still, but wrong where a high
temperature is wanted: with k = 64 of nano's 4096 tokens, KL divergence is 14 % too low at temperature 1, 49 % at 2 and
84 % at 4, and drawing from the others makes the gradient noise instead (measured; `docs/distillation.md`).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optlab import paths
from optlab.errors import MeasurementError
from optlab.models.language_model import LanguageModel

VERSION = 1


class TeacherCache:
    """The teacher's answers to the windows [N, T] of one text, computed when first asked for, and kept.

    Two processes may fill one cache: both would write the same numbers. Raises MeasurementError on a full disk.
    """

    def __init__(self, teacher: LanguageModel, windows: Tensor) -> None:
        """windows: token ids, int64 [N, T]."""
        self.teacher, self.windows = teacher, windows
        count, length = windows.shape
        about = {
            "version": VERSION, "teacher": teacher.fingerprint, "shape": [count, length],
            "windows": hashlib.sha256(windows.cpu().numpy().tobytes()).hexdigest(),
        }  # fmt: skip
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = paths.folder("teachers") / key
        width = teacher.weight(teacher.structure.embedding).shape[1]
        try:
            self.folder.mkdir(exist_ok=True)
            (self.folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
            self.kept, whole = _mapped(self.folder / "hidden", np.float16, (count, length, width))
            self.known, _ = _mapped(self.folder / "known", np.uint8, (count,))
            if not whole:
                self.known[:] = 0
        except OSError as error:
            raise MeasurementError(f"the teacher's answers cannot be kept in {self.folder}: {error}") from None

    @torch.no_grad()
    def hidden(self, rows: Tensor) -> Tensor:
        """What the teacher's head reads, [B, T, D] in the teacher's dtype, of the windows `rows` [B]."""
        numbers = rows.numpy()
        missing = np.unique(numbers[self.known[numbers] == 0])
        if len(missing):
            found = self.teacher.hidden(self.windows[torch.from_numpy(missing)])
            self.kept[missing] = found.to(torch.float16).cpu().numpy()
            self.known[missing] = 1  # last: a process killed in between leaves windows that are asked for again
        return torch.from_numpy(self.kept[numbers]).to(self.windows.device, self.teacher.dtype)


def _mapped(place: Path, dtype: type, shape: tuple[int, ...]) -> tuple[np.memmap, bool]:
    """A file as an array, and whether it was there; otherwise it is made, full of zeros.

    Raises OSError when the disk has no room: a write into a hole could not say so.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with place.open("ab") as file:
        whole = file.tell() == size
        if not whole:
            file.truncate(0)
            os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(place, dtype=dtype, mode="r+", shape=shape), whole
