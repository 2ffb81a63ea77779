"""Probes that travel: written into a file for somebody else, and taken in from one after it was checked.

A probe is bound to the fingerprint of the weights it was made of, and holds arrays, recipes and measured losses: no
weights, nothing of a machine, nothing that could be run. Torch-free.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from optlab import files, sealed
from optlab.client.client import Client
from optlab.client.predictions import probe_of
from optlab.errors import ModelError, OptLabError
from optlab.prediction.state import State, place_of
from optlab.results.probe import ProbeHeader


def export(client: Client, model: str, target: Path) -> ProbeHeader:
    """Write the finished probe of `model` to `target`. Raises ModelError without one, OptLabError when it cannot be
    written."""
    source = probe_of(client.subject(model))
    if source is None or not (state := State.load(source)).done:
        raise ModelError(
            "the probe of {model} is not finished; run `optlab probe {model}` first", model=shlex.quote(model)
        )
    _put(target, source)
    return state.header()


def take_in(source: Path) -> ProbeHeader:
    """Keep the probe in `source` in this home. Raises ModelError when it is none, is damaged or unfinished."""
    state = State.load(source)
    if not state.done:
        raise ModelError("the probe in {file} is not finished; export it once it is", file=source.name)
    _put(place_of(state.fingerprint), source, sealed.writing)
    return state.header()


def _put(target: Path, source: Path, writing: Callable[[Path], AbstractContextManager[Path]] = files.writing) -> None:
    try:
        with writing(target) as unfinished:
            unfinished.write_bytes(source.read_bytes())
    except OSError as error:
        why = error.strerror or str(error)
        raise OptLabError("{target} cannot be written: {why}", target=str(target), why=why) from None
