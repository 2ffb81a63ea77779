"""What a model is, as 64 hex digits: results are stored under it, so it changes whenever an answer could.

sha256 over every tensor (name, dtype, shape, bytes; in order of name, however they are split into files), over what
config.json says about the structure, and over tokenizer.json. Hashing reads all weights, so it is remembered by the
path, size and time of each file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

from optlab import paths
from optlab.messages import say
from optlab.models.checkpoint import Checkpoint
from optlab.progress import Progress, silent

PIECE = 8 << 20
IDLE_KEYS = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache")
"""Keys of config.json that change nothing that is computed."""


def fingerprint(checkpoint: Checkpoint, progress: Progress = silent) -> str:
    """The fingerprint of a checkpoint, from the cache when its files have not changed."""
    remembered = _memory_file(checkpoint)
    try:
        return remembered.read_text(encoding="ascii")
    except OSError:
        pass
    found = compute(checkpoint, progress)
    write_atomically(remembered, found)
    return found


def known(checkpoint: Checkpoint) -> str | None:
    """The fingerprint if it has been computed before, without reading the weights."""
    try:
        return _memory_file(checkpoint).read_text(encoding="ascii")
    except OSError:
        return None


def compute(checkpoint: Checkpoint, progress: Progress = silent) -> str:
    """Read everything and hash it."""
    digest = hashlib.sha256()
    total = sum(entry.bytes for entry in checkpoint.tensors.values()) or 1
    done = 0
    for name, entry in checkpoint.tensors.items():  # sorted by name
        digest.update(json.dumps([name, entry.dtype, entry.shape]).encode())
        with entry.file.open("rb", buffering=0) as stream:
            stream.seek(entry.start)
            left = entry.bytes
            while left and (piece := stream.read(min(left, PIECE))):
                digest.update(piece)
                left -= len(piece)
                done += len(piece)
                progress(done / total, say("hashing {name}", name=checkpoint.folder.name))
    config = {key: value for key, value in checkpoint.config.items() if key not in IDLE_KEYS}
    digest.update(json.dumps(config, sort_keys=True).encode())
    tokenizer = checkpoint.folder / "tokenizer.json"
    if tokenizer.is_file():
        digest.update(tokenizer.read_bytes())
    return digest.hexdigest()


def _memory_file(checkpoint: Checkpoint) -> Path:
    files = [*checkpoint.files, checkpoint.folder / "config.json", checkpoint.folder / "tokenizer.json"]
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return paths.folder("fingerprints") / hashlib.sha256(json.dumps(stats).encode()).hexdigest()[:32]


def write_atomically(file: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or nothing."""
    handle, half = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(half, file)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise
