"""What a pass has done, on disk, so that one that was killed goes on at its block.

One folder for each stage: 0 is the embedding, n is block n - 1. A stage holds what it made for ever (`weights`, what is
told of them) and the hidden states that the next stage begins with, which go once that one is complete. A folder is
there as a whole or not at all (`optlab.files`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from optlab import files
from optlab.files import JsonObject
from optlab.models.checkpoint import read_json

STATES, WEIGHTS, TOLD = "states", "weights.safetensors", "told.json"
LEFT_BEHIND_S = 14 * 86_400.0


class Journal:
    """The stages in `folder`, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*unfinished-*"):
            shutil.rmtree(left, ignore_errors=True)

    @property
    def done(self) -> int:
        """How many stages are complete."""
        number = 0
        while self._stage(number).is_dir():
            number += 1
        return number

    @contextmanager
    def stage(self, number: int) -> Iterator[Path]:
        """A folder to fill, which becomes stage `number` when the block ends well; then the states before it go."""
        with files.building(self._stage(number)) as unfinished:
            (unfinished / STATES).mkdir()
            yield unfinished
        shutil.rmtree(self._stage(number - 1) / STATES, ignore_errors=True)

    def states(self, side: str, batch: int) -> Tensor:
        """The states of one batch of windows, [B, T, width], after the last complete stage."""
        found: Tensor = load_file(self._stage(self.done - 1) / STATES / f"{side}-{batch}.safetensors")["states"]
        return found

    def weights(self, number: int) -> Path:
        """The weights file of stage `number`."""
        return self._stage(number) / WEIGHTS

    def told(self, number: int) -> JsonObject:
        """What was told of stage `number`."""
        return read_json(self._stage(number) / TOLD)

    def end(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stage(self, number: int) -> Path:
        return self.folder / f"stage-{number:04d}"


def keep(unfinished: Path, side: str, batch: int, states: Tensor) -> None:
    """Write the states of one batch into the folder of a stage."""
    save_file({"states": states.contiguous()}, unfinished / STATES / f"{side}-{batch}.safetensors")


def tell(unfinished: Path, told: JsonObject) -> None:
    """Write what is told of a stage."""
    files.write_json(unfinished / TOLD, told)


def sweep(parent: Path) -> None:
    """Delete passes that nobody went on with for two weeks."""
    for folder in parent.iterdir():
        if time.time() - folder.stat().st_mtime > LEFT_BEHIND_S:
            shutil.rmtree(folder, ignore_errors=True)
