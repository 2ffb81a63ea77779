"""What the original model made of each window, remembered: every later recipe then costs half.

A person moves a slider twenty times, and twenty times the original model would read the same words. Its final hidden
states are small (576 numbers of a 135-million-parameter model against 49,152 logits), and its head turns them back into
the same logits. So they are kept in memory, window by window, the least recently used ones going first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from optlab.evaluation.scoring import Window
    from optlab.models.language_model import LanguageModel

LARGEST = 256 << 20
SAMPLES = 64


class StateCache:
    """Hidden states [N, D] of windows, at most `largest` bytes. Safe to use from several threads."""

    def __init__(self, largest: int = LARGEST) -> None:
        self.largest = largest
        self.size = 0
        self._states: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Tensor | None:
        """The states kept under `key`, or None."""
        with self._lock:
            found = self._states.get(key)
            if found is not None:
                self._states.move_to_end(key)
            return found

    def put(self, key: str, states: Tensor) -> None:
        """Keep `states`; forgets older ones until all fit. What is larger than the cache is not kept."""
        if _bytes(states) > self.largest:
            return
        with self._lock:
            self._drop(key)
            # A copy: `states` may be a view that keeps the hidden states of a whole batch alive.
            self._states[key] = states.clone()
            self.size += _bytes(states)
            while self.size > self.largest:
                self._drop(next(iter(self._states)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._states.clear()
            self.size = 0

    def _drop(self, key: str) -> None:
        dropped = self._states.pop(key, None)
        if dropped is not None:
            self.size -= _bytes(dropped)


def identity(model: LanguageModel) -> str:
    """A hash of the weights as they are now: 64 numbers of every tensor, its shape, dtype and place.

    The model's fingerprint is that of the file it was read from, and a changed clone carries the same one. A
    compression changes most numbers of a layer, or half of them, so that a sample does not miss it; hashing them all
    would cost seconds per run.
    """
    digest = hashlib.sha256(f"{model.fingerprint} {model.device} {torch.__version__}".encode())
    for name, tensor in model.module.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        flat = tensor.detach().reshape(-1)
        step = flat.numel() // SAMPLES | 1  # odd, so that it does not walk down a single column
        digest.update(flat[::step].double().cpu().numpy().tobytes())
    return digest.hexdigest()


def key_of(identity: str, window: Window) -> str:
    """The name of a window's states under a model's `identity`."""
    return hashlib.sha256(f"{identity} {window}".encode()).hexdigest()


def _bytes(states: Tensor) -> int:
    return states.numel() * states.element_size()


BASE_STATES = StateCache()
"""Shared by all comparisons of this process."""
