"""What the teacher says about a text, kept on disk, so that every epoch and every temperature asks it only once.

Kept are the teacher's logits at each position less their largest, in float16, where all of them fit into 2 GB (nano's
4096 words take 8 KB per token): a softmax does not see the shift, and the likeliest words come near 0, where float16 is
finest. For larger vocabularies it is what the teacher's head reads, and the head is applied again: still the whole
distribution at every temperature, for a fifth of the teacher's work and 1152 bytes per token for SmolLM2.

Keeping the k likeliest tokens and the remaining mass would be cheaper, but wrong where a high temperature is wanted:
with k = 64 of nano's 4096 tokens, KL divergence is 14 % too low at temperature 1, 49 % at 2 and 84 % at 4, and drawing
from the others makes the gradient noise instead (measured; `docs/distillation.md`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from optlab import files, paths
from optlab.distill.head import ROWS, head, predicting
from optlab.errors import MeasurementError
from optlab.models.language_model import LanguageModel

VERSION = 3
LOGITS_BYTES = 2 << 30
"""Largest file of logits; beyond it hidden states are kept."""
FREE_SHARE = 0.25
"""Of the free disk, that a new file of logits may take."""

log = logging.getLogger(__name__)


class Teacher(Protocol):
    """Whoever answers for the teacher."""

    def read(self, rows: Tensor) -> Tensor:
        """What `logits` is made of [B (T - 1), any], at all positions of the windows `rows` [B] but the last."""
        ...

    def logits(self, piece: Tensor) -> Tensor:
        """Logits [n, V] float32, up to a shift of each row, for [n, any] of what was read."""
        ...


class AskedTeacher:
    """The teacher itself, every time."""

    def __init__(self, teacher: LanguageModel, windows: Tensor) -> None:
        """windows: token ids, int64 [N, T]."""
        self.teacher, self.windows = teacher, windows

    def read(self, rows: Tensor) -> Tensor:
        with _as_it_is(self.windows):
            return predicting(self.teacher.hidden(self.windows[rows]))

    def logits(self, piece: Tensor) -> Tensor:
        with _as_it_is(piece):
            return head(self.teacher, piece)


class TeacherCache:
    """The teacher's answers to the windows [N, T] of one text, computed when first asked for, and kept.

    Two processes may fill one cache: both would write the same numbers. Each window's answers have a CRC-32, compared
    when this process first reads them; those that do not agree are asked for again. Raises MeasurementError on a full
    disk.
    """

    def __init__(self, teacher: LanguageModel, windows: Tensor, logits_bytes: int = LOGITS_BYTES) -> None:
        """windows: token ids, int64 [N, T]. logits_bytes: above this many, hidden states are kept."""
        self.teacher, self.windows = teacher, windows
        count, length = windows.shape
        vocabulary, width = teacher.weight(teacher.structure.head).shape
        about = {
            "version": VERSION, "teacher": teacher.fingerprint, "shape": [count, length],
            "windows": hashlib.sha256(windows.cpu().numpy().tobytes()).hexdigest(),
        }  # fmt: skip
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = paths.folder("teachers") / key
        size = 2 * count * (length - 1) * vocabulary
        room = (self.folder / "logits").exists() or size <= FREE_SHARE * shutil.disk_usage(self.folder.parent).free
        self.keeps = "logits" if size <= logits_bytes and room else "hidden"
        try:
            self.folder.mkdir(exist_ok=True)
            files.write_json(self.folder / "about.json", about)
            shape = (count, length - 1, vocabulary if self.keeps == "logits" else width)
            self.kept, whole = _mapped(self.folder / self.keeps, np.float16, shape)
            self.known, _ = _mapped(self.folder / f"{self.keeps}.known", np.uint8, (count,))
            self.sums, whole_sums = _mapped(self.folder / f"{self.keeps}.crc32", np.uint32, (count,))
            if not (whole and whole_sums):
                self.known[:] = 0
            self.compared = np.zeros(count, dtype=bool)
        except OSError as error:
            raise self._full(error) from None

    @torch.no_grad()
    def read(self, rows: Tensor) -> Tensor:
        """float16 [B (T - 1), V or D]. Raises MeasurementError on a full disk."""
        numbers = rows.numpy()
        self._compare(numbers)
        missing = np.unique(numbers[self.known[numbers] != 1])
        if len(missing):
            with _as_it_is(self.windows):
                found = predicting(self.teacher.hidden(self.windows[torch.from_numpy(missing)]))
                answers = found.to(torch.float16) if self.keeps == "hidden" else self._shifted(found)
            try:
                _allocate(self.folder / self.keeps, missing, self.kept[0].nbytes)
            except OSError as error:
                raise self._full(error) from None
            self.kept[missing] = answers.view(len(missing), *self.kept.shape[1:]).cpu().numpy()
            self.sums[missing] = [zlib.crc32(self.kept[number]) for number in missing]
            self.known[missing] = 1  # last: a process killed in between leaves windows that are asked for again
        return torch.from_numpy(self.kept[numbers]).flatten(0, 1).to(self.windows.device)

    def _compare(self, numbers: np.ndarray) -> None:
        for number in np.unique(numbers[(self.known[numbers] == 1) & ~self.compared[numbers]]):
            if zlib.crc32(self.kept[number]) != self.sums[number]:
                log.warning("the teacher's answers to window %d in %s are damaged: asked again", number, self.folder)
                self.known[number] = 0
        self.compared[numbers] = True

    def logits(self, piece: Tensor) -> Tensor:
        if self.keeps == "logits":
            return piece.float()
        with _as_it_is(piece):
            return head(self.teacher, piece.to(self.teacher.dtype))

    def _shifted(self, hidden: Tensor) -> Tensor:
        logits = (head(self.teacher, piece) for piece in hidden.split(ROWS))
        return torch.cat([(one - one.amax(-1, keepdim=True)).to(torch.float16) for one in logits])

    def _full(self, error: OSError) -> MeasurementError:
        return MeasurementError(
            "the teacher's answers cannot be kept in {folder}: {error}", folder=self.folder, error=error
        )


def _as_it_is(tensor: Tensor) -> torch.autocast:
    """The teacher answers in its own precision, whatever its student is trained in: what is kept serves both."""
    return torch.autocast(tensor.device.type, enabled=False)


def _mapped(place: Path, dtype: type, shape: tuple[int, ...]) -> tuple[np.memmap, bool]:
    """A file as an array, and whether it was there; otherwise it is made, full of zeros that take no room yet."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with place.open("ab") as file:
        whole = file.tell() == size
        if not whole:
            file.truncate(0)
            file.truncate(size)
    return np.memmap(place, dtype=dtype, mode="r+", shape=shape), whole


def _allocate(place: Path, rows: np.ndarray, row_bytes: int) -> None:
    """Room on the disk for these rows. Raises OSError when there is none: a write into a hole could not say so."""
    if not hasattr(os, "posix_fallocate"):
        return
    with place.open("r+b") as file:
        for row in rows:
            os.posix_fallocate(file.fileno(), int(row) * row_bytes, row_bytes)
