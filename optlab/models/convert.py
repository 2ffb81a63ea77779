"""A GGUF file, once, into a hub-layout folder of float16 safetensors; every later load reads that folder.

The folder appears under its final name only when it is complete: it is written beside it and renamed, under a lock
that a second process waits for. A process killed half-way leaves a hidden folder that the next one removes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from optlab import paths
from optlab.errors import ModelError
from optlab.messages import say
from optlab.models import gguf_llama, gguf_tokenizer
from optlab.models.gguf_file import GGUFFile
from optlab.progress import Progress, silent, span

VERSION = 1
"""Raised when the written files change, so that older conversions are not reused."""

SHARD_BYTES = 2 << 30


def converted_folder(source: Path, name: str) -> Path:
    """Where the conversion of `source` lies, or will lie: OPTLAB_HOME/models/<name>-<hash of path, size and time>."""
    stat = source.stat()
    identity = f"{VERSION}:{source.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    return paths.folder("models") / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def convert(source: Path, name: str, progress: Progress = silent) -> Path:
    """The folder in hub layout that holds the weights of the GGUF file `source`; made when it is not there.

    name: the beginning of the folder's name, a plain word. Raises ModelError when the file is not sound or cannot be
        converted, Cancelled from `progress`.
    """
    from filelock import FileLock, Timeout

    target = converted_folder(source, name)
    if target.is_dir():
        return target
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            progress(0.0, say("waiting for another process that is converting {name}", name=source.name))
    try:
        if not target.is_dir():
            _make(source, target, progress)
    finally:
        lock.release()
    return target


def _make(source: Path, target: Path, progress: Progress) -> None:
    for left in target.parent.glob(f".{target.name}-*"):  # of a process that was killed; the lock says it is gone
        shutil.rmtree(left, ignore_errors=True)
    half = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        progress(0.0, say("reading {name}", name=source.name))
        file = GGUFFile(source)
        if gguf_llama.understands(file) and gguf_tokenizer.understands(file):
            _write_llama(file, half, span(progress, 0.1, 1.0))
        else:
            _write_with_transformers(file, half, progress)
        _write_json(half / "optlab.json", {"source": str(source.resolve()), "checkpoint": file.storage()})
        half.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelError(
                "the disk of {parent} is full; converting {name} needs more space",
                parent=target.parent,
                name=source.name,
            ) from None
        raise ModelError(
            "cannot convert {name} into {parent}: {strerror}",
            name=source.name,
            parent=target.parent,
            strerror=error.strerror or error,
        ) from None
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
    ) as error:  # metadata that is missing, or not what it says
        raise ModelError("{name} is damaged or incomplete; download or copy it again", name=source.name) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _write_llama(file: GGUFFile, folder: Path, progress: Progress) -> None:
    from safetensors.numpy import save_file

    _write_json(folder / "config.json", gguf_llama.config(file))
    shards: list[list[str]] = [[]]
    held = 0
    weights = {name: tensor for name, tensor in file.tensors.items() if gguf_llama.hub_name(name)}
    for name, tensor in weights.items():
        size = 2 * int(tensor.n_elements)
        if held and held + size > SHARD_BYTES:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += size
    weight_map: dict[str, str] = {}
    done = 0
    for number, names in enumerate(shards, start=1):
        title = "model" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}"
        tensors: dict[str, Any] = {}
        for name in names:
            tensors[str(gguf_llama.hub_name(name))] = _contiguous(gguf_llama.weight(file, name))
            done += 1
            progress(
                done / len(weights),
                say(
                    "converting {name}, once: {done} of {weight_count} tensors",
                    name=file.path.name,
                    done=done,
                    weight_count=len(weights),
                ),
            )
        save_file(tensors, folder / f"{title}.safetensors", metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, f"{title}.safetensors")
    if len(shards) > 1:
        _write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    tokenizer, settings = gguf_tokenizer.build(file)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", settings)


def _contiguous(array: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(array)


def _write_with_transformers(file: GGUFFile, folder: Path, progress: Progress) -> None:
    """Other architectures: transformers' own reader, whole model in memory."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    progress(
        0.1,
        say(
            "converting {name} ({architecture}), once; this takes a minute",
            name=file.path.name,
            architecture=file.architecture,
        ),
    )
    disable_progress_bar()
    place = {"pretrained_model_name_or_path": str(file.path.parent), "gguf_file": file.path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**place, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            **place, local_files_only=True, dtype=torch.float16, quantization_config=GgufConfig(dequantize=True)
        )
    except Exception as error:  # whatever it trips over: the file is one that cannot be read
        raise ModelError(
            "{name} is a GGUF of architecture {architecture!r}, which could not be converted: {error}",
            name=file.path.name,
            architecture=file.architecture,
            error=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from None
    progress(0.8, say("writing {name} as safetensors", name=file.path.name))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_json(file: Path, data: dict[str, Any]) -> None:
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
