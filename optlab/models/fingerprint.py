"""What a model is, as 64 hex digits: results are stored under it, so it changes whenever an answer could.

sha256 over every tensor (name, dtype, shape, bytes; in order of name, however they are split into files), over what
config.json says about the structure, and over every file that says how text becomes tokens. Hashing reads all weights,
so it is remembered by the path, size and times of each file; the time of a file's last change is among them, which
unlike that of its contents no program can set back.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from optlab import files, paths, sealed
from optlab.errors import OptLabError
from optlab.messages import say
from optlab.models.checkpoint import Checkpoint
from optlab.models.tokenizer import Tokenizer
from optlab.progress import Progress, silent

RULE = 3
"""Raised when the same files would get another fingerprint, so that remembered ones are not believed."""
PIECE = 8 << 20
TEXT_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "chat_template.jinja", "chat_template.json", "generation_config.json",
)  # fmt: skip
"""Files that decide which tokens a model reads, and where its answers end."""
IDLE_KEYS = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache")
"""Keys of config.json that change nothing that is computed."""


def fingerprint(checkpoint: Checkpoint, progress: Progress = silent) -> str:
    """The fingerprint of a checkpoint, from the cache when its files have not changed."""
    if (kept := known(checkpoint)) is not None:
        return kept
    found = compute(checkpoint, progress)
    with suppress(OSError):  # a full disk: it is hashed again next time
        sealed.write_json(_memory_file(checkpoint), found)
    return found


def known(checkpoint: Checkpoint) -> str | None:
    """The fingerprint if it has been computed before, without reading the weights."""
    kept = sealed.read_json(_memory_file(checkpoint))
    return None if kept is None else str(kept)


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
    for file in _text_files(checkpoint):
        digest.update(json.dumps([file.name, file.stat().st_size]).encode())
        digest.update(file.read_bytes())
    digest.update(framing_of(checkpoint.folder).encode())
    return digest.hexdigest()


def framing_of(folder: Path) -> str:
    """What the tokenizer writes around a text, as text: a later version of OptLab may read the same files otherwise."""
    try:
        tokenizer = Tokenizer.from_folder(folder)
        found = [tokenizer.framing(objective) for objective in ("causal", "masked")]
    except OptLabError:  # such a model does not load either
        return ""
    return repr(found) if any(found) else ""


def _text_files(checkpoint: Checkpoint) -> list[Path]:
    return [checkpoint.folder / name for name in TEXT_FILES if (checkpoint.folder / name).is_file()]


def _memory_file(checkpoint: Checkpoint) -> Path:
    stats = []
    for file in [*checkpoint.files, checkpoint.folder / "config.json", *_text_files(checkpoint)]:
        stats.append([str(file.resolve()), *files.version(file)])
    return paths.folder("fingerprints") / hashlib.sha256(json.dumps([RULE, stats]).encode()).hexdigest()[:32]
