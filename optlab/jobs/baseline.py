"""What is measured once per original model and machine, and then shown beside every candidate: its peak memory."""

from __future__ import annotations

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
    from optlab.evaluation.memory import peak_memory

    remembered = paths.folder("memory") / f"{model.fingerprint[:16]}-{machine_id()}-{model.device.type}-{dtype}.json"
    if (known := sealed.read_json(remembered)) is not None:
        return int(known)
    peak = peak_memory(model.folder, dtype, device, progress, threads=threads)
    sealed.write_json(remembered, peak)
    return peak
