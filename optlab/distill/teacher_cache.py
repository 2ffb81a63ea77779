"""What the teacher says about a text, kept on disk: its likeliest tokens and how much probability the others share.

A student that trains for several epochs, and a sweep over temperatures, then ask the teacher once. Per position are
kept the k largest logits, relative to the log of the sum of all exponentials (float16), and for a set of temperatures
the log of what the other tokens sum to (float32), because at a high temperature those hold most of the probability.
Teacher and student are compared as distributions over k + 1 outcomes, the last being "any other token". By the
data-processing inequality that divergence is never larger than the one over the whole vocabulary; what is lost is the
order among the teacher's unlikely tokens (`docs/distillation.md` has measurements).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from optlab import paths
from optlab.errors import MeasurementError

TEMPERATURES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)
"""Where the sum of the others is kept; in between it is a cubic spline over 1/T, in which it is smooth and convex."""
VERSION = 1


def tail_at(tails: Tensor, temperature: float) -> Tensor:
    """log sum over the other tokens of exp(z / T) at any temperature, from its values at TEMPERATURES [..., 13]."""
    knots = 1.0 / np.array(TEMPERATURES[::-1])
    weights = CubicSpline(knots, np.eye(len(knots)))(1.0 / temperature)[::-1].copy()
    return tails @ torch.as_tensor(weights, dtype=tails.dtype, device=tails.device)


def keep(logits: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Teacher's logits [..., V] -> ids [..., k] (int64), z [..., k] relative to logsumexp, tails [..., 13]; float32.

    k at most V - 1, so that there is an other token.
    """
    z = logits.float()
    z = z - z.logsumexp(-1, keepdim=True)
    top, ids = z.topk(k, dim=-1)
    others = z.scatter(-1, ids, float("-inf"))
    tails = torch.stack([(others / temperature).logsumexp(-1) for temperature in TEMPERATURES], dim=-1)
    return ids, top, tails


def outcomes(top: Tensor, tail: Tensor, temperature: float) -> Tensor:
    """Logits [..., k + 1] whose softmax at `temperature` gives the k tokens and, last, all others together."""
    return torch.cat((top, temperature * tail.unsqueeze(-1)), dim=-1)


def student_outcomes(logits: Tensor, ids: Tensor, temperature: float) -> Tensor:
    """The same for a student's logits [..., V]: the teacher's tokens `ids` [..., k], and all others together."""
    z = logits.float()
    top = z.gather(-1, ids)
    whole = (z / temperature).logsumexp(-1)
    kept = (top / temperature).logsumexp(-1)
    # log(e^whole - e^kept); a student with everything on the kept tokens leaves the others a rounding error
    tail = whole + torch.log1p(-(kept - whole).exp().clamp(max=1.0 - 1e-6))
    return outcomes(top, tail, temperature)


class TeacherCache:
    """The teacher's answers to the windows [N, T] of one text, computed when first asked for, and kept.

    Two processes may fill one cache: both would write the same numbers. Raises MeasurementError on a full disk.
    """

    def __init__(self, teacher: Callable[[Tensor], Tensor], fingerprint: str, windows: Tensor, k: int, vocabulary: int):
        """teacher: ids [B, T] -> logits [B, T, V]. fingerprint: of the teacher's weights. k: tokens kept, below V."""
        self.teacher, self.windows, self.k = teacher, windows, min(k, vocabulary - 1)
        count, length = windows.shape
        about = {
            "version": VERSION, "teacher": fingerprint, "k": self.k, "temperatures": TEMPERATURES,
            "windows": hashlib.sha256(windows.cpu().numpy().tobytes()).hexdigest(), "shape": [count, length],
        }  # fmt: skip
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = paths.folder("teachers") / key
        id_type = np.uint16 if vocabulary <= 1 << 16 else np.int32
        try:
            self.folder.mkdir(exist_ok=True)
            (self.folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
            self.ids = self._map("ids", id_type, (count, length - 1, self.k))
            self.top = self._map("top", np.float16, (count, length - 1, self.k))
            self.tails = self._map("tails", np.float32, (count, length - 1, len(TEMPERATURES)))
            self.known = self._map("known", np.uint8, (count,))
        except OSError as error:
            raise MeasurementError(f"the teacher's answers cannot be kept in {self.folder}: {error}") from None

    def __call__(self, rows: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """ids [B, T - 1, k] and logits [B, T - 1, k + 1] of the windows `rows` [B] at a temperature (`outcomes`)."""
        numbers = rows.numpy()
        missing = np.unique(numbers[self.known[numbers] == 0])
        if len(missing):
            self._ask(missing)
        device = self.windows.device
        ids = torch.from_numpy(self.ids[numbers].astype(np.int64)).to(device)
        top = torch.from_numpy(self.top[numbers].astype(np.float32)).to(device)
        tails = torch.from_numpy(np.array(self.tails[numbers])).to(device)
        return ids, outcomes(top, tail_at(tails, temperature), temperature)

    @torch.no_grad()
    def _ask(self, numbers: np.ndarray) -> None:
        logits = self.teacher(self.windows[torch.from_numpy(numbers)])[:, :-1]
        ids, top, tails = keep(logits, self.k)
        self.ids[numbers] = ids.cpu().numpy()
        self.top[numbers] = top.cpu().numpy()
        self.tails[numbers] = tails.cpu().numpy()
        self.known[numbers] = 1  # last: a process killed in between leaves windows that are asked for again

    def _map(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        place: Path = self.folder / name
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        with place.open("ab") as file:
            if file.tell() != size:
                file.truncate(size)
        return np.memmap(place, dtype=dtype, mode="r+", shape=shape)
