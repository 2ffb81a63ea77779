"""What must hold before a model is described or run: its numbers are numbers, and its tokenizer is there and fits.

`inspect` and `measure` ask the same questions, so that neither shows a model that the other refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.errors import ModelError
from optlab.messages import say
from optlab.models.checkpoint import FLOATS, Checkpoint
from optlab.models.placement import Placement
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


def check_copies(checkpoint: Checkpoint, placement: Placement) -> None:
    """Raises ModelError when what is one tensor in the model, such as a tied head, is stored as two different ones."""
    import torch

    from optlab.models.families import read_tensors

    for copy, counted in placement.copies.items():
        entries = {name: checkpoint.tensors[name] for name in (copy, counted)}
        if copy.endswith(".weight") and entries[copy].dtype in FLOATS:
            first, second = read_tensors(entries, torch.float32).values()
            if not torch.equal(first, second):
                raise ModelError(
                    "{name} says that {copy} and {counted} are one tensor (tie_word_embeddings) but stores two "
                    "different ones; set tie_word_embeddings to false in its config.json if both are meant",
                    name=checkpoint.folder.name,
                    copy=copy,
                    counted=counted,
                )


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
