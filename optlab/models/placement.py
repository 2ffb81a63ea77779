"""Which tensors of a checkpoint are weights of its model, which parameter each becomes, and which are none.

Files carry more than weights: causal masks and position ids that older code stored as buffers, a head that is the
embedding once more, heads of another task. Those are no weights, so they count in no size. A weight that is missing,
has another shape, or would be left out, is an error: the model would compute something else than its author meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.formats.dtypes import BYTES
from optlab.models.checkpoint import FLOATS, Checkpoint, TensorEntry

if TYPE_CHECKING:
    from torch import nn

COMPUTED = re.compile(
    r"rotary_emb\.(inv_freq|cos_cached|sin_cached|cos_sin_cache)$|\.(attn|attention)\.(masked_)?bias$|(^|\.)(position_ids|token_type_ids)$"
)
"""Tensors of older checkpoints that are no weights: rotary frequencies and tables, causal masks, counted positions."""
OTHER_HEADS = re.compile(
    r"(^|\.)(pooler|seq_relationship|sop_classifier|classifier|score|qa_outputs|v_head|value_head|nsp_\w+|"
    r"discriminator_predictions|multiple_choice_head|lm_head\.decoder|vocab_projector|vision_tower|multi_modal_projector|visual)\."
)
"""Parts of a checkpoint that a language model of the same family does not have."""
MXFP4_PARTS = re.compile(r"(?<=_proj)_(blocks|scales)$")
"""The two tensors of a weight in MXFP4: codes of 4 bits, and an exponent for 32 of them (OCP MX specification 1.0)."""
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "module.", "base_model.model.", "language_model.")
"""What torch.compile, FSDP, DataParallel, PEFT and models with pictures put before every name of the wrapped model."""
WRAPPED_PARTS = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile, FSDP and activation checkpointing put before the names of wrapped parts, anywhere."""


@dataclass(frozen=True)
class Placement:
    """places: tensor of the checkpoint -> parameter or buffer of the model (several tensors become one where
    transformers fuses experts). idle: tensors that are no weights of the model. copies: those of them that stand for a
    parameter once more, such as a tied head -> the tensor that counts."""

    places: dict[str, str]
    idle: tuple[TensorEntry, ...]
    copies: dict[str, str]


def unwrapping(names: Iterable[str]) -> Callable[[str], str]:
    """The function that takes off what a wrapper put before each of `names`, and before parts of them."""
    listed = list(names)
    prefix = next((one for one in WRAPPERS if listed and all(name.startswith(one) for name in listed)), "")
    return lambda name: WRAPPED_PARTS.sub("", name.removeprefix(prefix))


def place(
    checkpoint: Checkpoint, module: nn.Module, rename: Callable[[str], str], known_extra: Iterable[str] = ()
) -> Placement:
    """Where the tensors of `checkpoint` go in `module`, which needs no weights and has its experts still fused.

    rename: a tensor's name -> the module's. known_extra: expressions for names that the family's class leaves out.
    Raises ModelError when a parameter has no tensor, a tensor another shape, or a tensor that matters no place.
    """
    parameters = dict(module.named_parameters())  # names a tied tensor once
    buffers = set(module.state_dict()) - {name for name, _ in module.named_parameters(remove_duplicate=False)}
    first = _first_names(module)
    renamed = {name: rename(name) for name in checkpoint.tensors}
    present = set(renamed.values())
    places = {}
    for name, place in renamed.items():
        own = first.get(place, place)
        # Where a file holds a tied tensor under both names, the one that the module lists first counts.
        if (own in parameters or own in buffers) and (own == place or own not in present):
            places[name] = own
    idle = tuple(entry for name, entry in checkpoint.tensors.items() if name not in places)
    _check(checkpoint, parameters, places, [entry for entry in idle if renamed[entry.name] not in first], known_extra)
    counted = {place: name for name, place in places.items()}
    standing = {entry.name: first.get(renamed[entry.name], "") for entry in idle}
    copies = {name: counted[own] for name, own in standing.items() if own in counted}
    return Placement(places, idle, copies)


def _check(
    checkpoint: Checkpoint,
    parameters: dict[str, nn.Parameter],
    places: dict[str, str],
    extra: list[TensorEntry],
    known_extra: Iterable[str],
) -> None:
    where = checkpoint.folder.name
    if missing := sorted(set(parameters) - set(places.values())):
        raise ModelError(
            "{where} lacks {missing_count} tensors that its config.json asks for: {few}",
            where=where,
            missing_count=len(missing),
            few=_few(missing),
        )
    patterns = [COMPUTED, OTHER_HEADS, *(re.compile(pattern) for pattern in known_extra)]
    homeless = [
        entry.name
        for entry in extra
        if entry.dtype in FLOATS and not any(pattern.search(entry.name) for pattern in patterns)
    ]
    if homeless:
        raise ModelError(
            "{where} holds {homeless_count} tensors that its config.json has no place for: {few}",
            where=where,
            homeless_count=len(homeless),
            few=_few(sorted(homeless)),
        )
    for name, place in places.items():
        shape, wanted = checkpoint.tensors[name].shape, parameters.get(place)
        # Under its own name a tensor is taken as it is; under others transformers may fuse or turn it.
        if wanted is not None and (name.endswith(place) or place.endswith(name)) and tuple(wanted.shape) != shape:
            raise ModelError(
                "{where} stores {name} with shape {shape}; its config.json asks for {expected}",
                where=where,
                name=name,
                shape=list(shape),
                expected=list(wanted.shape),
            )


def weight_bytes(checkpoint: Checkpoint, idle: tuple[TensorEntry, ...]) -> int:
    """Bytes of the weights of `checkpoint` as files: without the tensors `idle` and their lines in the header."""
    if not idle:
        return checkpoint.size_bytes
    left_out = {entry.name for entry in idle}
    kept = [entry for entry in checkpoint.tensors.values() if entry.name not in left_out]
    return 8 + len(_header(kept)) + sum(entry.bytes for entry in kept)


def _header(entries: list[TensorEntry]) -> bytes:
    """The header that the package safetensors writes for `entries`: wide dtypes first, padded to 8 bytes."""
    header: JsonObject = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in sorted(entries, key=lambda entry: (-BYTES[entry.dtype], entry.name)):
        where = [end, end + entry.bytes]
        header[entry.name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": where}
        end += entry.bytes
    written = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return written + b" " * (-len(written) % 8)


def _first_names(module: nn.Module) -> dict[str, str]:
    """Every name of every parameter -> the one that `named_parameters` gives."""
    first: dict[int, str] = {}
    return {
        name: first.setdefault(id(parameter), name)
        for name, parameter in module.named_parameters(remove_duplicate=False)
    }


def library_names(module: Any, unwrapped: Callable[[str], str]) -> Callable[[str], str]:
    """The function from a checkpoint's name of a tensor to the name in transformers' `module`, as it loads them."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    mapping = get_model_conversion_mapping(module)
    renamings = [one for one in mapping if isinstance(one, WeightRenaming)]
    converters = [one for one in mapping if isinstance(one, WeightConverter)]
    state = module.state_dict()

    def rename(name: str) -> str:
        bare = MXFP4_PARTS.sub("", unwrapped(name))
        found: str = rename_source_key(bare, renamings, converters, module.base_model_prefix, state)[0]
        if found not in state and bare in state:
            return bare
        return found

    return rename


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
