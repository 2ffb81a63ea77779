"""What a model consists of, layer by layer, as plain data that a page can show without torch.

The structure of a model is only known to torch, so a process without torch asks another one, once; so does whoever
serves others, because that one has limits (`optlab.confined`). The answer is kept as JSON under the fingerprint of the
weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab import paths, sealed
from optlab.confined import GivenUpError, Limits, Room
from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.formats.dtypes import BYTES
from optlab.messages import decoded, encoded
from optlab.models import chat
from optlab.models import fingerprint as fingerprints
from optlab.models.catalog import arrived, card, ready_folder, resolve
from optlab.models.checkpoint import Checkpoint, open_checkpoint
from optlab.models.gguf.file import split_parts
from optlab.models.notes import note_for
from optlab.models.placement import weight_bytes
from optlab.progress import Progress, silent, span
from optlab.protocol import FALLBACK_TEXT
from optlab.results.document import UnreadableError

if TYPE_CHECKING:
    from torch import nn

    from optlab.models.structure import Structure

VERSION = 6
"""Raised when the content of a description changes, so that older ones are not read."""

UNTOUCHED = ("router", "state")
"""Kinds of matrices inside blocks that no recipe touches."""

SLOWEST = 2_000_000
"""Bytes a second, of a model that is converted on a machine that does something else too."""
LEAST_MEMORY, LEAST_FILE = 4 << 30, 1 << 30

LENGTH_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len")


@dataclass(frozen=True)
class LayerInfo:
    """One parameter tensor. shape is (out, in) for linear layers; bytes as stored in the checkpoint.

    kind: embedding, attention.q/k/v/qkv/o, mlp.gate/up/gate_up/down, router, state, norm, head, bias or other. A router
    chooses experts; state is what multiplies no input as a linear layer does (a recurrence, a convolution); other is
    a linear layer of another purpose. block: number of the block it lies in, None outside. name: the module's, without
    ".weight"; a bias keeps its ".bias".
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    bytes: int
    block: int | None


@dataclass(frozen=True)
class Description:
    """A model as data. parameters counts a tied tensor once; size_bytes is that of the weight files without idle_bytes,
    which are no weights of this model (`optlab.models.placement`).

    family: config.json's model_type.
    dtype: what most of the checkpoint is stored in, in safetensors' words. layers: every tensor, in module order; a
    tied head is not listed again. chat: whether the model has a template for questions.
    """

    model: str
    title: str
    family: str
    objective: str
    fingerprint: str
    parameters: int
    size_bytes: int
    dtype: str
    vocabulary: int
    context_length: int
    blocks: int
    tied: bool
    checkpoint_note: str | None
    default_text: str
    layers: list[LayerInfo]
    chat: bool = False
    idle_bytes: int = 0

    @property
    def linears(self) -> list[tuple[str, tuple[int, int]]]:
        """(name, (out, in)) of the layers that a recipe touches by default: the linear layers of the blocks."""
        return [
            (layer.name, (layer.shape[0], layer.shape[1]))
            for layer in self.layers
            if layer.block is not None and len(layer.shape) == 2 and layer.kind not in UNTOUCHED
        ]

    @property
    def matrices(self) -> list[tuple[str, tuple[int, int]]]:
        """(name, (out, in)) of all layers that a recipe may name: `linears`, embeddings and an untied head."""
        ends = [layer for layer in self.layers if layer.kind in ("embedding", "head") and len(layer.shape) == 2]
        return self.linears + [(layer.name, (layer.shape[0], layer.shape[1])) for layer in ends]

    def to_dict(self) -> JsonObject:
        return asdict(self)

    def _stored(self) -> JsonObject:
        note = None if self.checkpoint_note is None else encoded(self.checkpoint_note)
        return {**self.to_dict(), "checkpoint_note": note}

    def to_json(self) -> str:
        """As a run's result is kept."""
        return json.dumps({"version": VERSION, **self._stored()})

    @classmethod
    def from_json(cls, text: str) -> Description:
        """What `to_json` wrote, or `to_dict` before results had versions. Raises UnreadableError."""
        try:
            data = json.loads(text)
            data.pop("version", None)
            return cls.from_dict(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableError("this is no description of a model: {error}", error=error) from None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Description:
        layers = [LayerInfo(**{**layer, "shape": tuple(layer["shape"])}) for layer in data["layers"]]
        note = data.get("checkpoint_note")
        return cls(**{**data, "layers": layers, "checkpoint_note": None if note is None else decoded(note)})


def describe(name: str, progress: Progress = silent) -> Description:
    """The description of a model, from the cache when it has been described before.

    Raises ModelError as `optlab.models.catalog.resolve`, Cancelled from `progress`.
    """
    found = _described_before(name)
    if found is not None:
        return found
    if "torch" not in sys.modules:
        return describe_apart(name, progress)
    checkpoint = open_checkpoint(resolve(name, span(progress, 0.0, 0.6)))
    from optlab.models.families import placed, skeleton
    from optlab.models.soundness import check_copies, check_file, fitting_tokenizer
    from optlab.models.structure import analyse

    placement = placed(checkpoint)
    module = skeleton(checkpoint.config)
    structure = analyse(module)
    fitting_tokenizer(checkpoint, module, structure)
    check_copies(checkpoint, placement)
    check_file(checkpoint, {entry.name for entry in placement.idle}, span(progress, 0.6, 0.8))
    return describe_folder(name, checkpoint, structure, module, span(progress, 0.8, 1.0))


def describe_folder(
    name: str, checkpoint: Checkpoint, structure: Structure, module: nn.Module, progress: Progress = silent
) -> Description:
    """The description of a checkpoint whose module (with or without weights) is at hand; remembered on disk."""
    from optlab.models.families import objective_of, placed

    config = checkpoint.config
    idle_bytes = checkpoint.size_bytes - weight_bytes(checkpoint, placed(checkpoint).idle)
    layers = _layers(checkpoint, structure, module)
    embedding = next(layer for layer in layers if layer.name == structure.embedding)
    found = Description(
        model=name,
        title=name,
        family=str(config.get("model_type")),
        objective=objective_of(config),
        fingerprint=fingerprints.fingerprint(checkpoint, progress),
        parameters=sum(layer.parameters for layer in layers),
        size_bytes=checkpoint.size_bytes - idle_bytes,
        dtype=checkpoint.dtype,
        vocabulary=embedding.shape[0],
        context_length=_context_length(config, module),
        blocks=len(structure.blocks),
        tied=structure.tied,
        checkpoint_note=None,
        default_text="",
        layers=layers,
        idle_bytes=idle_bytes,
        chat=chat.known(checkpoint.folder),
    )
    with suppress(OSError):  # a full disk: it is described again next time
        sealed.write_json(_memory_file(found.fingerprint), found.to_dict())
    return _personal(found, name, checkpoint)


def _context_length(config: JsonObject, module: nn.Module) -> int:
    """Tokens that the model reads at once; where positions are counted from behind the padding token, fewer than the
    table of positions has rows."""
    stated = int(next((config[key] for key in LENGTH_KEYS if config.get(key)), 2048))
    for name, part in module.named_modules():
        padding = getattr(part, "padding_idx", None)
        if name.rpartition(".")[2] == "position_embeddings" and padding is not None:
            return min(stated, int(part.weight.shape[0]) - padding - 1)
    return stated


def _layers(checkpoint: Checkpoint, structure: Structure, module: nn.Module) -> list[LayerInfo]:
    from optlab.models.structure import is_linear, linear_weight

    usual = BYTES[checkpoint.dtype]
    layers = []
    for full_name, parameter in module.named_parameters():  # names a tied tensor once
        owner_name, _, leaf = full_name.rpartition(".")
        if structure.tied and owner_name == structure.head and leaf == "weight":
            owner_name = structure.embedding  # some classes list the head first
        owner = module.get_submodule(owner_name)
        shape = tuple(parameter.shape)
        kind = structure.kinds.get(owner_name, "other")
        if leaf == "weight":
            shape = tuple(linear_weight(owner).shape) if is_linear(owner) else shape
        elif leaf == "bias" and kind != "norm":
            kind = "bias"
        elif leaf not in ("weight", "bias") and kind != "norm":
            kind = "state"
        stored = checkpoint.tensors.get(full_name)
        layers.append(
            LayerInfo(
                name=owner_name if leaf == "weight" else full_name,
                kind=kind,
                shape=shape,
                parameters=parameter.numel(),
                bytes=parameter.numel() * (BYTES[stored.dtype] if stored is not None else usual),
                block=structure.block_of(full_name),
            )
        )
    return layers


def _personal(found: Description, name: str, checkpoint: Checkpoint) -> Description:
    """The same weights under the name by which they were asked for."""
    known = card(name)
    return replace(
        found,
        model=name,
        title=known.title if known else Path(name).name or name,
        default_text=known.default_text if known else FALLBACK_TEXT,
        checkpoint_note=note_for(checkpoint.config, checkpoint.source, found.idle_bytes, checkpoint.adapter),
        size_bytes=checkpoint.size_bytes - found.idle_bytes,
    )


def _memory_file(fingerprint: str) -> Path:
    return paths.folder("descriptions") / f"{fingerprint}-{VERSION}.json"


def _described_before(name: str) -> Description | None:
    """The description that is kept for the files of a model as they are now. A conversion that cannot be read is as
    good as none, because it is made again; a folder that came so is refused there, in the same words."""
    folder = ready_folder(name)
    try:
        return None if folder is None else _remembered(name, open_checkpoint(folder))
    except ModelError:
        return None


def _remembered(name: str, checkpoint: Checkpoint) -> Description | None:
    fingerprint = fingerprints.known(checkpoint)
    if fingerprint is None:
        return None
    data = sealed.read_json(_memory_file(fingerprint))
    return None if data is None else _personal(Description.from_dict(data), name, checkpoint)


def describe_apart(name: str, progress: Progress = silent) -> Description:
    """As `describe`, in a process with limits when the model has not been described before: its files may be a
    stranger's. Whoever serves others opens no model before this has.

    Raises ModelError also when it takes more memory or time than `limits_for` allows. A model of the hub is downloaded
    here first, which takes as long as it takes.
    """
    found = _described_before(name)
    if found is not None:
        return found
    with Room(limits_for(arrived(name, span(progress, 0.0, 0.1)))) as room:
        try:
            told = room.ask("optlab.models.describe:described", name, progress=span(progress, 0.1, 1.0))
        except GivenUpError as error:
            raise ModelError("{name} cannot be used: {error}", name=Path(name).name or name, error=error) from None
    return Description.from_json(told)


def limits_for(source: Path) -> Limits:
    """What converting and describing a model may take: much for what is large, so that a short file cannot ask for it.
    Codes of two bits become floats of sixteen; one tensor at a time is in memory, as float32."""
    parts = [source] if source.is_file() else [file for file in source.iterdir() if file.is_file()]
    bytes_of = sum(
        file.stat().st_size for file in (split_parts(source) if source.is_file() else parts) if file.exists()
    )
    return Limits(
        seconds=300.0 + bytes_of / SLOWEST, memory=LEAST_MEMORY + 2 * bytes_of, file=LEAST_FILE + 16 * bytes_of
    )


def described(name: str, progress: Progress = silent) -> str:
    """The other side of `describe_apart`: a description as `to_json` writes it."""
    import torch  # noqa: F401  its presence tells `describe` to do the work here

    return describe(name, progress).to_json()
