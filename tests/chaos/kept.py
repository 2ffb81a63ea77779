"""Every kind of file that OptLab keeps to be quick, asked for through the door that people's runs use.

A `Kept` has the folder of its files, and a function whose answer is the same for ever: what is damaged in between has
to be made again. Models are tiny, so that a question costs some hundredths of a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from optlab.calibrate.gradients import gradients
from optlab.calibrate.statistics import statistics
from optlab.distill.teacher_cache import TeacherCache
from optlab.jobs import compressed_cache
from optlab.kernels.native import library
from optlab.models import load
from optlab.models.catalog import resolve
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import describe
from optlab.models.fingerprint import fingerprint
from optlab.prediction import state, timing
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.environment import Environment
from optlab.results.probe import SpeedAnchors, TimedRecipe
from tests.models.ggufs import write_gguf
from tests.prediction import states
from tests.tiny import TEXT, tiny_model_folder

GPTQ = Recipe.of(Step("quantize", "gptq", {"bits": 4, "group_size": 32}))
TOKENS, CONTEXT = 512, 32


@dataclass(frozen=True)
class Kept:
    """kind: a folder of OPTLAB_HOME. answer: what is there, or is made and kept there if nothing is."""

    kind: str
    answer: Callable[[], str]


def everything(scratch: Path) -> list[Kept]:
    """All kinds, of a model and a text that are made in `scratch`."""
    folder = tiny_model_folder("llama", scratch / "hub")
    gguf = str(write_gguf(folder, scratch / "model.gguf"))
    text = scratch / "text.txt"
    text.write_text("\n\n".join(f"{number}. {TEXT}" for number in range(60)), encoding="utf-8")
    model = load(str(folder))
    windows = torch.randint(4, 150, (6, 16), generator=torch.Generator().manual_seed(0))
    protocol = Protocol(calibration=str(text), calibration_tokens=TOKENS, context=CONTEXT)
    compiler = _compiler(scratch / "compiler")

    def moments() -> str:
        found = statistics(model, str(text), TOKENS, CONTEXT)
        return _digest(part for name in model.linear_names() for part in (found.gram(name), found.mean_abs(name)))

    def slopes() -> str:
        found = gradients(model, str(text), TOKENS, CONTEXT)
        return _digest(found.mean_abs(name) for name in model.linear_names())

    def packed() -> str:
        compressed, _ = compressed_cache.packed(model, GPTQ, protocol)
        return _digest(compressed.model.weight(name) for name in compressed.model.linear_names())

    return [
        Kept("models", lambda: str(_contents(resolve(gguf)))),
        Kept("descriptions", lambda: describe(gguf).to_json()),
        Kept("fingerprints", lambda: fingerprint(open_checkpoint(folder))),
        Kept("calibration", moments),
        Kept("calibration", slopes),
        Kept("teachers", lambda: _digest([TeacherCache(model, windows).read(torch.arange(6))])),
        Kept("teachers", lambda: _digest([TeacherCache(model, windows, 0).read(torch.arange(6))])),
        Kept("artefacts", packed),
        Kept("probes", _probe),
        Kept("speed", _timings),
        Kept("native", lambda: hashlib.sha256(library._built(compiler).read_bytes()).hexdigest()),
    ]  # fmt: skip


def _digest(tensors: Iterable[Tensor]) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _contents(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def _probe() -> str:
    """Made by hand where there is none: a real one takes minutes."""
    made = states.state(blocks=1)
    if state.known(made.fingerprint) is None:
        made.keep()
    place = state.known(made.fingerprint)
    assert place is not None
    header, arrays = state.read(place)
    numbers = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in sorted(arrays.items())}
    return str(header.model_copy(update={"made": 0.0})) + str(numbers)


def _timings() -> str:
    """Of a machine of which only this test knows how fast it is."""
    rows = tuple(TimedRecipe(recipe=recipe, decode_ms=2.5, low=2.25, high=2.75) for recipe in (Recipe(), GPTQ))
    made = SpeedAnchors(fingerprint="f" * 64, dtype="float32", path="dense", timed=rows, machine=Environment(cores=2),
                        made=1.0)  # fmt: skip
    if timing.known(made.fingerprint, made.dtype) is None:
        timing.keep(made)
    return str(timing.known(made.fingerprint, made.dtype))


def _compiler(place: Path) -> str:
    """A program that takes what the decode loop's compiler takes, and makes always the same of it, at once."""
    place.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 1 && exit\nwhile [ "$1" != -o ]; do shift; done\nseq 5000 > "$2"\n'
    )
    place.chmod(0o755)
    return str(place)
