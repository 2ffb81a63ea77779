"""What is measured once per original model and machine, and then shown beside every candidate: its peak memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from optlab import files, paths
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
    try:
        return int(json.loads(remembered.read_text())["peak_rss_bytes"])
    except (OSError, ValueError, KeyError, TypeError):  # not measured yet
        pass
    peak = peak_memory(model.folder, dtype, device, progress, threads=threads)
    files.write_json(remembered, {"peak_rss_bytes": peak})
    return peak
