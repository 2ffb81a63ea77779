"""From a model's name to a LanguageModel that runs."""

from __future__ import annotations

from optlab.messages import say
from optlab.models.catalog import resolve
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import describe_folder
from optlab.models.device import choose_device, choose_dtype
from optlab.models.families import build, objective_of, placed
from optlab.models.language_model import LanguageModel
from optlab.models.soundness import check_copies, check_finite, fitting_tokenizer
from optlab.models.structure import analyse
from optlab.progress import Progress, silent, span


def load(name: str, dtype: str = "float32", device: str = "auto", progress: Progress = silent) -> LanguageModel:
    """See `optlab.models.load`."""
    target = choose_device(device)
    chosen = choose_dtype(dtype, target)
    folder = resolve(name, span(progress, 0.0, 0.6))
    checkpoint = open_checkpoint(folder)
    progress(0.6, say("reading the weights of {name}", name=name))
    module = build(checkpoint, chosen)
    structure = analyse(module)
    tokenizer = fitting_tokenizer(checkpoint, module, structure)
    check_copies(checkpoint, placed(checkpoint))
    for parameter, values in module.named_parameters():
        check_finite(parameter, values.detach())
    progress(0.9, say("describing {name}", name=name))
    description = describe_folder(name, checkpoint, structure, module)
    return LanguageModel(
        name=name,
        family=description.family,
        objective=objective_of(checkpoint.config),
        module=module.to(target),
        tokenizer=tokenizer,
        config=checkpoint.config,
        folder=folder,
        fingerprint=description.fingerprint,
        description=description,
        structure=structure,
    )
