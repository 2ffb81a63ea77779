"""safetensors, for transformers: the folder that was measured, byte for byte the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optlab import files
from optlab.exports.card import public_name
from optlab.exports.export_format import ExportFormat, Written
from optlab.models.checkpoint import read_json
from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from optlab.compression import Compressed

AUTO = {"causal": "AutoModelForCausalLM", "masked": "AutoModelForMaskedLM"}
TRANSFORMERS = """With `pip install transformers compressed-tensors`, in the unpacked folder's parent:

```python
from transformers import {auto}, AutoTokenizer

model = {auto}.from_pretrained("{stem}")
tokenizer = AutoTokenizer.from_pretrained("{stem}")
```

Or with OptLab, which runs the packed weights as they are:"""
ONLY_OURS = """transformers cannot say what this file holds: {reason}. OptLab reads it:"""
OURS = """

```python
from optlab.kernels.artefact import load_artefact

model = load_artefact("{stem}").model
```

or beside its original: `optlab compare ORIGINAL {stem}`."""


def write(compressed: Compressed, folder: Path, stem: str, progress: Progress = silent) -> Written:
    """The files of an artefact, straight into `folder`. Raises MeasurementError."""
    from optlab.kernels.artefact import save
    from optlab.kernels.hub_format import reason_against

    save(compressed, folder, progress)
    _forget_place(folder, compressed.model.name)
    reason = reason_against(compressed)
    auto = AUTO[compressed.model.objective]
    head = TRANSFORMERS if reason is None else ONLY_OURS
    tensors: dict[str, int] = {}
    for stored in compressed.stored.values():
        tensors[stored.form] = tensors.get(stored.form, 0) + 1
    return Written(tensors, usage=(head + OURS).format(stem=stem, reason=reason, auto=auto))


def _forget_place(folder: Path, model: str) -> None:
    """Name the original in what OptLab reads as a stranger may know it."""
    from optlab.kernels.artefact import NOTICE

    notice = read_json(folder / NOTICE)
    for part in (notice["artefact"], notice["artefact"]["description"]):
        part["model"] = public_name(model)
    files.write_json(folder / NOTICE, notice, indent=2)


SAFETENSORS = ExportFormat("safetensors", "safetensors", "transformers", "transformers", zipped=True, write=write)
