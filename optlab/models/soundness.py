"""What must hold before a model is described or run: its numbers are numbers, and its tokenizer is there and fits.

`inspect` and `measure` ask the same questions, so that neither shows a model that the other refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.errors import ModelError
from optlab.messages import say
from optlab.models.checkpoint import FLOATS, Checkpoint
from optlab.models.structure import Structure, linear_weight
from optlab.models.tokenizer import Tokenizer
from optlab.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn


def fitting_tokenizer(checkpoint: Checkpoint, module: nn.Module, structure: Structure) -> Tokenizer:
    """The tokenizer of a checkpoint. Raises ModelError when there is none, or it has more tokens than the embedding."""
    tokenizer = Tokenizer.from_folder(checkpoint.folder)
    tokenizer.fit(linear_weight(module.get_submodule(structure.embedding)).shape[0])
    return tokenizer


def check_file(checkpoint: Checkpoint, idle: set[str], progress: Progress) -> None:
    """Read every weight, one at a time. Raises ModelError as `check_finite`, Cancelled from `progress`."""
    import torch

    from optlab.models.families import read_tensors

    entries = [one for one in checkpoint.tensors.values() if one.dtype in FLOATS and one.name not in idle]
    for done, entry in enumerate(entries):
        progress(done / len(entries), say("reading {name}", name=entry.name))
        dtype = torch.float64 if entry.dtype == "F64" else torch.float32
        check_finite(entry.name, read_tensors({entry.name: entry}, dtype)[entry.name])


def check_finite(name: str, values: Tensor) -> None:
    """Raises ModelError when a tensor holds NaN or infinity."""
    import torch

    # A sum is not finite when a part is not, and adding up is faster than asking each number.
    if values.is_floating_point() and not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):
        number = say("NaN") if bool(torch.isnan(values).any()) else say("infinity")
        raise ModelError(
            "{name} holds {count} numbers that are not finite ({number}), so nothing computed with them is a number; "
            "download or make the model again",
            name=name,
            count=int((~values.isfinite()).sum()),
            number=number,
        )
