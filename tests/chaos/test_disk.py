"""The disk of OPTLAB_HOME fills up at a moment drawn by chance: nothing that looks finished is left behind, nobody
reads a traceback, and once there is room again the same run gives the same answer.

The disk is a tmpfs of four megabytes, so this needs root on Linux. `OPTLAB_CHAOS=100` fills it forty times.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from optlab import cache, foreground
from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.i18n import said
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store.store import Store
from optlab.workers import execution, failures
from tests.chaos.answers import Answer, answer
from tests.chaos.size import size
from tests.compressing import calibration_file
from tests.tiny import tiny_model_folder

FILLINGS = size(2, 40)
DISK = "4m"
LONGEST_SENTENCE = 600
FULL_S = 1.5
"""How long the disk stays full."""
ENDS_S = 60.0
RECIPE = Recipe.from_dict({"steps": [{"quantize": {"method": "gptq", "bits": 4, "group_size": 16}}]})


@pytest.fixture
def disk(home: Path) -> Iterator[Path]:
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(home)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here: it takes root on Linux")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Take the room of a disk but for so many bytes."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        file.write(bytes(max(shutil.disk_usage(disk).free - left, 0)))
    return ballast


class Attempt(threading.Thread):
    """A measurement that somebody waits for at a terminal."""

    def __init__(self, client: Client, model: str, protocol: Protocol) -> None:
        super().__init__(daemon=True)
        self.asked = client, model, RECIPE, protocol
        self.found: Answer | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found = answer(foreground.measure(*self.asked))
        except BaseException as error:
            self.error = error


def test_a_full_disk_costs_a_sentence_and_no_result(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(execution, "AGAIN_S", 0.05)
    text = tmp_path / "evaluation.txt"
    text.write_text(Path(calibration_file(tmp_path)).read_text().upper())
    model, client = str(tiny_model_folder("llama", tmp_path / "llama")), Client(Store())
    protocol = Protocol(text=str(text), calibration=calibration_file(tmp_path), calibration_tokens=512, context=32,
                        tokens=1024, dtype="float32", latency=False)  # fmt: skip
    before = shutil.disk_usage(disk).free
    first = foreground.measure(client, model, RECIPE, protocol)
    truth, needs, took = answer(first), before - shutil.disk_usage(disk).free, first.elapsed() or 1.0
    assert truth is not None
    chance = random.Random(22)
    bad, hurt = [], 0
    for number in range(FILLINGS):
        client.delete(first.id)
        cache.clear()
        left = int(chance.choice([0.0, chance.uniform(0.0, 0.3), chance.uniform(0.0, 1.2)]) * needs)
        attempt = Attempt(client, model, protocol)
        if chance.random() < 0.5:
            ballast = fill(disk, left)
            attempt.start()
        else:
            attempt.start()
            time.sleep(chance.uniform(0.0, took))
            ballast = fill(disk, left)
        attempt.join(FULL_S)
        ballast.unlink()
        attempt.join(ENDS_S)
        hurt += attempt.error is not None
        story = f"filling {number}, {left} bytes left"
        if attempt.is_alive():
            bad.append(f"{story}: hangs")
        elif attempt.error is None and attempt.found != truth:
            bad.append(f"{story}: another answer")
        elif attempt.error is not None and not _is_a_sentence(attempt.error):
            bad.append(f"{story}: {attempt.error!r}")
        first = foreground.measure(client, model, RECIPE, protocol)
        if answer(first) != truth:
            bad.append(f"{story}: another answer afterwards")
    record_property("disks filled", FILLINGS)
    record_property("runs that a full disk ended with a sentence", hurt)
    record_property("full disks that cost a result", len(bad))
    assert bad == []


def _is_a_sentence(error: BaseException) -> bool:
    """At the terminal: that of the error, or one about the disk for what a database says."""
    told = error.message if isinstance(error, OptLabError) else failures.of_the_disk(error)
    return told is not None and len(said(told)) < LONGEST_SENTENCE
