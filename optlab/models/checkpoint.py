"""The files of a model on disk, read no further than their headers: which tensors, in which format, how many bytes.

Works without torch. Everything that could be wrong with a folder in hub layout is found here, so that the rest of the
library can trust it: weights that are a pickle in disguise, a download that stopped half-way, a shard that is missing.

The safetensors format (github.com/huggingface/safetensors): 8 bytes little-endian N, N bytes of JSON that maps names
to dtype, shape and byte range, then the bytes of all tensors without gaps.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.formats.dtypes import BYTES
from optlab.messages import say
from optlab.models.hub_config import check_sizes

FLOATS = ("F16", "BF16", "F32", "F64")
LARGEST_HEADER = 25 << 20
LARGEST_JSON = 16 << 20
LARGEST_CONFIG = 2 << 20
"""Bytes. What Python makes of JSON can be thirty times as large; the header of a shard with 10,000 tensors has 1 MB."""
ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
MLX_ADAPTER = "adapters.safetensors"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
OTHERS = ("*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.npz", "*.bin", "*.incomplete")
"""Files of weights in formats that are not opened as part of a folder."""
LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a safetensors file. start and end are byte offsets in the file."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def bytes(self) -> int:
        return self.end - self.start


def read_header(file: Path) -> list[TensorEntry]:
    """The tensors of a safetensors file, in the order of its header. Raises ModelError when it is not a sound one."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start, opening = stream.read(8), stream.read(1)
            if opening != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80"):
                raise ModelError(
                    "{name} is a pickle, whatever its name says; a pickle can run code, so only safetensors and GGUF "
                    "are opened",
                    name=file.name,
                )
            refuse_pointer(file)
            if size == 0:
                raise ModelError("{name} is empty; download or copy it again", name=file.name)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(size - 8, LARGEST_HEADER):
                raise ModelError(
                    "{name} is not a safetensors file, or its beginning is damaged; copy it again",
                    name=file.name,
                )
            header = json.loads(opening + stream.read(length - 1))
        entries = [
            TensorEntry(name, file, e["dtype"], tuple(e["shape"]), *(8 + length + o for o in e["data_offsets"]))
            for name, e in header.items()
            if name != "__metadata__"
        ]
        for entry in entries:
            _check(entry)
    except OSError as error:
        raise ModelError("cannot read {file}: {strerror}", file=file, strerror=error.strerror) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError("the header of {name} is damaged; download or copy it again", name=file.name) from None
    end = max((entry.end for entry in entries), default=8 + length)
    if end > size:
        raise ModelError(
            "{name} is truncated: {size} bytes are there, {end} should be; download or copy it again",
            name=file.name,
            size=size,
            end=end,
        )
    if end < size or sum(entry.bytes for entry in entries) != end - 8 - length:
        raise ModelError(
            "{name} is damaged: its tensors do not fill the file; download or copy it again",
            name=file.name,
        )
    return entries


def refuse_pointer(file: Path) -> None:
    """Raises ModelError when `file` is what git leaves where Git LFS has not put the file itself."""
    with file.open("rb") as stream:
        if stream.read(len(LFS_POINTER)) == LFS_POINTER:
            raise ModelError(
                "{name} is a pointer of Git LFS, not the file itself; run `git lfs pull` in its folder, or download it",
                name=file.name,
            )


def _check(entry: TensorEntry) -> None:
    if entry.dtype not in BYTES:
        raise ModelError(
            "{name} stores {name_2} as {dtype}, which is not a format known here",
            name=entry.file.name,
            name_2=entry.name,
            dtype=entry.dtype,
        )
    if entry.start < 8 or entry.bytes != math.prod(entry.shape) * BYTES[entry.dtype]:
        raise ValueError(entry.name)


def read_json(file: Path, largest: int = LARGEST_JSON) -> JsonObject:
    """A JSON object from a file of a model of at most `largest` bytes. Raises ModelError."""
    try:
        if file.stat().st_size > largest:
            raise ModelError("{file} is larger than {size} MB, which no file of its kind is", file=file,
                             size=largest >> 20)  # fmt: skip
        refuse_pointer(file)
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ModelError("cannot read {file}: {strerror}", file=file, strerror=error.strerror) from None
    except (ValueError, RecursionError):
        raise ModelError("{file} is not valid JSON; copy it again", file=file) from None
    if not isinstance(data, dict):
        raise ModelError("{file} must hold a JSON object", file=file)
    return data


@dataclass(frozen=True)
class Checkpoint:
    """A folder in hub layout: config.json and safetensors, checked. Made by `open_checkpoint`."""

    folder: Path
    config: JsonObject
    files: tuple[Path, ...]

    @cached_property
    def tensors(self) -> dict[str, TensorEntry]:
        """Every tensor by its name in the file, sorted by name."""
        entries = [entry for file in self.files for entry in read_header(file)]
        found = {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}
        if len(found) != len(entries):
            raise ModelError("{folder} stores the same tensor in two files; keep one of them", folder=self.folder)
        return found

    @property
    def size_bytes(self) -> int:
        """Bytes of the weight files as they lie on disk."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def dtype(self) -> str:
        """The float that most bytes are stored in, in safetensors' words: F32, F16, BF16."""
        totals: dict[str, int] = {}
        for entry in (entry for entry in self.tensors.values() if entry.dtype in FLOATS):
            totals[entry.dtype] = totals.get(entry.dtype, 0) + entry.bytes
        return max(totals, key=lambda dtype: totals[dtype], default="F32")

    @cached_property
    def source(self) -> JsonObject | None:
        """What OptLab recorded when it converted this checkpoint (the key `checkpoint` of optlab.json), or None."""
        path = self.folder / "optlab.json"
        return read_json(path).get("checkpoint") if path.is_file() else None

    @cached_property
    def adapter(self) -> JsonObject | None:
        """The adapter that OptLab merged into these weights (the key `adapter` of optlab.json: name, base), or None."""
        path = self.folder / "optlab.json"
        return read_json(path).get("adapter") if path.is_file() else None


def open_checkpoint(folder: Path, packed: bool = False) -> Checkpoint:
    """Check that `folder` holds a model that can be loaded as float weights; packed: or one whose weights are codes,
    which `optlab.models.quantized` reads. Raises ModelError."""
    if is_adapter(folder):
        kind, base = adapter_kind(read_json(folder / ADAPTER_CONFIG))
        raise ModelError("{name} is a {kind} adapter of {base}, not a model", name=folder.name, kind=kind, base=base)
    if not (folder / "config.json").is_file():
        ggufs = sorted(folder.glob("*.gguf"))
        hint = f"; it holds {ggufs[0].name}: give that file instead" if ggufs else ""
        raise ModelError(
            "{folder} has no config.json, so it is not a model in hub layout{hint}",
            folder=folder,
            hint=hint,
        )
    checkpoint = Checkpoint(folder, read_json(folder / "config.json", LARGEST_CONFIG), tuple(_weight_files(folder)))
    if not checkpoint.tensors:
        raise ModelError("{folder} holds no weights: its safetensors files are without tensors", folder=folder)
    shapes = [entry.shape for entry in checkpoint.tensors.values()]
    check_sizes(checkpoint.config, len(shapes), sum(map(math.prod, shapes)))
    codes = None if packed else next(_packed_tensors(checkpoint), None)
    if codes is not None:
        told = checkpoint.config.get("quantization_config")
        how = (told.get("quant_method") if isinstance(told, dict) else None) or codes.dtype
        raise ModelError(
            "{name} stores its weights as {how} ({name_2} is {dtype}), not as floats; use the float original or "
            "a GGUF file of the model",
            name=folder.name,
            how=how,
            name_2=codes.name,
            dtype=codes.dtype,
        )
    return checkpoint


def is_adapter(folder: Path) -> bool:
    """Whether all that `folder` holds is what was trained beside a model."""
    names = {file.name for file in folder.glob("*.safetensors")}
    return names <= {ADAPTER, MLX_ADAPTER} and (folder / ADAPTER_CONFIG).is_file()


def adapter_kind(about: JsonObject) -> tuple[str, str]:
    """(kind, base) as words for people, of an adapter_config.json."""
    kind = about.get("peft_type") or ("LoRA" if "lora_parameters" in about else "PEFT")
    base = about.get("base_model_name_or_path") or about.get("model")
    named = isinstance(base, str) and bool(base)
    return {"LORA": "LoRA"}.get(str(kind), str(kind)), str(base) if named else say("a model that it does not name")


def _weight_files(folder: Path) -> Iterator[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    others = sorted(file for file in folder.glob("*.safetensors") if file.name != ADAPTER)
    if single.is_file():
        yield single
    elif index.is_file():
        yield from shards(folder, single.name)
    elif len(others) == 1:
        yield others[0]
    elif others:
        raise ModelError(
            "{folder} holds {other_count} safetensors files but no model.safetensors.index.json",
            folder=folder,
            other_count=len(others),
        )
    elif pickles := sorted(file.name for pattern in PICKLES for file in folder.glob(pattern)):
        raise ModelError(
            "{folder} has only {pickles}, a pickle, which can run code; convert it to safetensors (only "
            "safetensors and GGUF are opened)",
            folder=folder,
            pickles=pickles[0],
        )
    elif others := sorted(file for pattern in OTHERS for file in folder.glob(pattern)):
        raise ModelError(
            "{folder} holds no safetensors file, only {name}; {advice}",
            folder=folder,
            name=others[0].name,
            advice=say("give that file instead")
            if others[0].suffix == ".gguf"
            else say("convert it to safetensors (only safetensors and GGUF are opened)"),
        )
    else:
        raise ModelError(
            "{folder} holds no weights; a model.safetensors file is needed beside config.json",
            folder=folder,
        )


def shards(folder: Path, file: str) -> tuple[Path, ...]:
    """The files that together are `file`, as the index beside them lists them. Raises ModelError when it is damaged,
    or names what is not there or not in `folder`."""
    index, found = folder / f"{file}.index.json", list[Path]()
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError("{index} has no weight_map, so the shards of the model are unknown", index=index)
    for name in sorted({str(file) for file in names.values()}):
        if Path(name).is_absolute() or ".." in Path(name).parts or not name.endswith(".safetensors"):
            raise ModelError(
                "{index} names {name!r}, which is not a safetensors file in its folder",
                index=index,
                name=name,
            )
        if not (folder / name).is_file():
            raise ModelError(
                "{folder} lacks {name}, a part of the model; download or copy it again",
                folder=folder,
                name=name,
            )
        found.append(folder / name)
    return tuple(found)


def _packed_tensors(checkpoint: Checkpoint) -> Iterator[TensorEntry]:
    """Weights that are codes, not numbers. Integer buffers such as position ids or masks are not weights."""
    for entry in checkpoint.tensors.values():
        leaf = entry.name.rpartition(".")[2]
        codes = leaf in ("qweight", "weight_packed", "qzeros", "weight_q", "W_q")
        if codes or entry.dtype.startswith("F8") or (leaf == "weight" and entry.dtype not in FLOATS):
            yield entry
