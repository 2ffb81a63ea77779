"""What is measured once per original model and machine, and then shown beside every candidate: its peak memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optlab import paths, sealed
from optlab.machine.identity import machine_id
from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


def peak_memory_of_original(
    model: LanguageModel, dtype: str, device: str, progress: Progress = silent, threads: int | None = None
) -> int:
    """Peak resident bytes of a process that loads and runs `model`; from the cache when this machine knows it.

    Raises MeasurementError when the process fails, Cancelled.
    """
    peak, _ = peak_memory_beside(model, None, dtype, device, progress, threads)
    return peak


def peak_memory_beside(
    model: LanguageModel, candidate: Path | None, dtype: str, device: str, progress: Progress = silent,
    threads: int | None = None,
) -> tuple[int, int | None]:  # fmt: skip
    """`peak_memory_of_original`, and that of the folder `candidate` unless it is None; measured at the same time."""
    from optlab.evaluation.memory import peak_memories

    remembered = paths.folder("memory") / f"{model.fingerprint[:16]}-{machine_id()}-{model.device.type}-{dtype}.json"
    known = sealed.read_json(remembered)
    asked = {"original": model.folder if known is None else None, "candidate": candidate}
    folders = {name: folder for name, folder in asked.items() if folder is not None}
    measured = peak_memories(list(folders.values()), dtype, device, progress, threads=threads)
    found = dict(zip(folders, measured, strict=True))
    if known is None:
        sealed.write_json(remembered, found["original"])
    return found.get("original", known), found.get("candidate")
