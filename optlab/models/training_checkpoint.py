"""Training that survives: its whole state in one file every so often, so that a killed run goes on from there.

The state is everything the next step depends on: the weights, both moments of AdamW, the number of the step and the
seconds spent; the order of the batches follows from the seed. A file appears whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from optlab import sealed
from optlab.files import JsonObject
from optlab.models.optimizer import AdamW
from optlab.results.document import Document, UnreadableError
from optlab.results.fields import Count, Number

FILE = "state.safetensors"
EVERY_S = 15.0
SHARE_OF_TIME = 0.05
"""Saving may take at most this share of the time: a state of 1.6 GB is written less often than one of 20 MB."""
FORGOTTEN_AFTER_S = 14 * 24 * 3600.0


class State(Document):
    """What training goes on from. steps: done so far. seconds: spent on them. memory: what the caller keeps with it, as
    its own document writes itself; "" for nothing."""

    steps: Count = 0
    seconds: Number = 0.0
    memory: str = ""

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Before it was a document the memory stood inside, as JSON."""
        memory = fields.get("memory")
        return {**fields, "memory": json.dumps(memory) if memory else ""}


class TrainingCheckpoint:
    """Keeps one training's state in `folder`, which no other training may use."""

    def __init__(self, folder: Path, every_s: float = EVERY_S) -> None:
        self.folder, self.every_s = folder, every_s
        self.saved_at, self.cost_s = time.monotonic(), 0.0

    def load(self, module: nn.Module, optimizer: AdamW) -> State:
        """Put the saved state into `module` and `optimizer`; the beginning when none fits (a damaged file included)."""
        if not sealed.intact(self.folder / FILE):
            return State()
        try:
            with safe_open(self.folder / FILE, framework="pt") as file:
                state = State.from_json(file.metadata()["state"])
                expected = _tensors(module, optimizer)
                if set(file.keys()) != set(expected):
                    return State()
                found = {name: file.get_tensor(name) for name in expected}
        except (OSError, SafetensorError, UnreadableError, KeyError, TypeError, ValueError):
            return State()
        if any(found[name].shape != tensor.shape for name, tensor in expected.items()):
            return State()
        for name, tensor in expected.items():
            tensor.copy_(found[name])
        optimizer.steps = state.steps
        return state

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self.saved_at >= max(self.every_s, self.cost_s / SHARE_OF_TIME)

    def save(self, module: nn.Module, optimizer: AdamW, state: State) -> None:
        """Write the state now. A full disk costs the chance to go on later, not the training: OSError is swallowed."""
        began = time.monotonic()
        with suppress(OSError, SafetensorError):
            self.folder.mkdir(parents=True, exist_ok=True)
            tensors = {name: tensor.cpu().contiguous() for name, tensor in _tensors(module, optimizer).items()}
            with sealed.writing(self.folder / FILE) as unfinished:
                save_file(tensors, unfinished, metadata={"state": state.to_json()})
        self.saved_at = time.monotonic()
        self.cost_s = self.saved_at - began

    def quick(self) -> bool:
        """Whether saving takes so little that someone who pressed *stop* may wait for it."""
        return self.cost_s < 1.0

    def forget(self) -> None:
        """The training is over; nothing is left of its state."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep(parent: Path, older_than_s: float = FORGOTTEN_AFTER_S) -> None:
    """Remove the states below `parent` that nobody came back to."""
    for file in parent.glob(f"*/{FILE}"):
        if time.time() - file.stat().st_mtime > older_than_s:
            shutil.rmtree(file.parent, ignore_errors=True)


def _tensors(module: nn.Module, optimizer: AdamW) -> dict[str, Tensor]:
    """Every tensor of the state by its name in the file; the moments by their place in the optimizer."""
    tensors = {f"weight.{name}": parameter.data for name, parameter in module.named_parameters()}
    for moment, groups in (("first", optimizer.first), ("second", optimizer.second)):
        for number, group in enumerate(groups):
            tensors |= {f"{moment}.{number}.{place}": tensor for place, tensor in enumerate(group)}
    return tensors
