"""A GGUF model, once, into a hub-layout folder of safetensors (see `optlab.models.conversion`)."""

from __future__ import annotations

from pathlib import Path

from optlab.files import write_json
from optlab.messages import say
from optlab.models.conversion import in_files, once, place_of
from optlab.models.gguf import tokenizer
from optlab.models.gguf.architectures import EXPERT, Architecture
from optlab.models.gguf.file import GGUFFile, split_parts
from optlab.models.gguf.understanding import understood
from optlab.models.safetensors_writer import DTYPES, SafetensorsWriter
from optlab.progress import Progress, silent, span

VERSION = 3
"""Raised when the written files change, so that older conversions are not reused."""

ROLES = {"bos": "bos", "eos": "eos", "pad": "padding"}
TORCH = {"F16": "float16", "F32": "float32", "BF16": "bfloat16"}


def converted_folder(source: Path, name: str) -> Path:
    """Where the conversion of `source` lies, or will lie; a file that is one of several stands for all of them."""
    return place_of(source, split_parts(source), name, VERSION)


def convert(source: Path, name: str, progress: Progress = silent) -> Path:
    """The folder in hub layout that holds the weights of the GGUF file `source`; made when it is not there.

    name: the beginning of the folder's name, a plain word. Raises ModelError when the file is not sound or cannot be
        converted, Cancelled from `progress`.
    """
    return once(converted_folder(source, name), source, _make, progress)


def _make(source: Path, folder: Path, progress: Progress) -> None:
    progress(0.0, say("reading {name}", name=source.name))
    file = GGUFFile(source)
    _write(file, folder, span(progress, 0.1, 1.0))
    write_json(folder / "optlab.json", {"source": str(source.resolve()), "checkpoint": file.storage()}, indent=2)


def _write(file: GGUFFile, folder: Path, progress: Progress) -> None:
    architecture = understood(file)
    made, settings = tokenizer.build(file)  # before the weights, which take longer
    config = architecture.config(file)
    tied = _tied(file)
    bytes_of = _write_weights(file, architecture, folder, tied, progress)
    common = {
        "architectures": [architecture.hub_class],
        "model_type": architecture.model_type,
        "tie_word_embeddings": tied,
        **{f"{role}_token_id": file.value(f"tokenizer.ggml.{key}_token_id") for role, key in ROLES.items()},
        "torch_dtype": max(bytes_of, key=lambda dtype: bytes_of[dtype]),
    }
    write_json(folder / "config.json", {**config, **common}, indent=2)
    made.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", settings, indent=2)


def _tied(file: GGUFFile) -> bool:
    """Whether head and embedding are one: no head is stored, or one that is the embedding byte for byte."""
    head, embedding = file.tensors.get("output.weight"), file.tensors["token_embd.weight"]
    if head is None:
        return True
    if (head.kind, head.shape) != (embedding.kind, embedding.shape):
        return False
    import numpy as np

    first, second = (
        np.memmap(t.file, mode="r", offset=t.start, shape=(t.bytes,), dtype=np.uint8) for t in (head, embedding)
    )
    return bool(np.array_equal(first, second))


def _write_weights(
    file: GGUFFile, architecture: Architecture, folder: Path, tied: bool, progress: Progress
) -> dict[str, int]:
    """Write all tensors, in one file or in shards; the bytes of each dtype, by torch's names."""
    names = [
        name
        for name in file.tensors
        if architecture.hub_name(name)
        and not architecture.comes_with_another(name)
        and not (tied and name == "output.weight")
    ]
    shards = in_files(names, lambda name: 2 * file.tensors[name].elements)
    weight_map: dict[str, str] = {}
    bytes_of: dict[str, int] = {}
    done, total = 0, sum(file.tensors[name].bytes for name in names)
    for title, shard in shards.items():
        coming = [one for name in shard for one in _hub_names(file, architecture, name)]
        with SafetensorsWriter(folder / title, coming) as writer:
            for name in shard:
                for target, values in architecture.tensors(file, name):
                    writer.add(target, values)
                    dtype = TORCH[DTYPES[values.dtype.name]]
                    bytes_of[dtype] = bytes_of.get(dtype, 0) + int(values.nbytes)
                done += file.tensors[name].bytes
                progress(
                    done / total,
                    say(
                        "converting {name}, once: {done} of {total} MB",
                        name=file.path.name,
                        done=done >> 20,
                        total=total >> 20,
                    ),
                )
        weight_map |= dict.fromkeys(coming, title)
    if len(shards) > 1:
        write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map}, indent=2)
    return bytes_of


def _hub_names(file: GGUFFile, architecture: Architecture, name: str) -> list[str]:
    target = str(architecture.hub_name(name))
    if EXPERT not in target:
        return [target]
    return [target.replace(EXPERT, str(number)) for number in range(file.tensors[name].shape[0])]
