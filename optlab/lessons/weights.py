"""The numbers of a small Llama-family checkpoint as numpy arrays, read without torch.

Only what a lesson asks for is read: the file's header says where each tensor lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from optlab.errors import ModelError
from optlab.models.catalog import ready_folder
from optlab.models.checkpoint import Checkpoint, TensorEntry, open_checkpoint
from optlab.models.tokenizer import Tokenizer

Array = np.ndarray[Any, Any]

NAME = "nano"
"""The model of the lessons: 5 million weights, so that a whole pass takes milliseconds."""


@dataclass(frozen=True)
class Weights:
    """A model of the Llama family. Tensors are float32 [out, in], named as in the checkpoint, without ".weight"."""

    checkpoint: Checkpoint
    tokenizer: Tokenizer
    changed: Mapping[str, Array] = field(default_factory=dict)
    _read: dict[str, Array] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        return int(self.checkpoint.config["num_hidden_layers"])

    @property
    def heads(self) -> int:
        return int(self.checkpoint.config["num_attention_heads"])

    @property
    def kv_heads(self) -> int:
        return int(self.checkpoint.config["num_key_value_heads"])

    @property
    def head_dim(self) -> int:
        config = self.checkpoint.config
        return int(config.get("head_dim") or config["hidden_size"] // self.heads)

    @property
    def eps(self) -> float:
        return float(self.checkpoint.config["rms_norm_eps"])

    @property
    def theta(self) -> float:
        config = self.checkpoint.config
        return float((config.get("rope_parameters") or config).get("rope_theta", 10_000.0))

    def __getitem__(self, name: str) -> Array:
        """The tensor `name`, float32. Raises ModelError when there is none."""
        if name in self.changed:
            return self.changed[name]
        if name not in self._read:
            entry = self.checkpoint.tensors.get(f"{name}.weight")
            if entry is None:
                raise ModelError("{name} has no layer {name_2}", name=self.checkpoint.folder.name, name_2=name)
            self._read[name] = read(entry)
        return self._read[name]

    def linear_names(self) -> list[str]:
        """The matrices of the blocks, in the order in which they compute."""
        parts = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
                 "mlp.up_proj", "mlp.down_proj")  # fmt: skip
        return [f"model.layers.{block}.{part}" for block in range(self.blocks) for part in parts]

    def replaced(self, changed: Mapping[str, Array]) -> Weights:
        """The same model with other numbers in some layers; the rest is shared."""
        return replace(self, changed={**self.changed, **changed})


def read(entry: TensorEntry) -> Array:
    """The numbers of a float tensor, float32. Raises ModelError when it is stored as something else."""
    kinds = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}
    if entry.dtype not in kinds:
        raise ModelError("{name} is stored as {dtype}; a lesson reads floats", name=entry.name, dtype=entry.dtype)
    with entry.file.open("rb") as stream:
        stream.seek(entry.start)
        raw = np.frombuffer(stream.read(entry.bytes), dtype=kinds[entry.dtype])
    if entry.dtype == "BF16":  # the upper half of a float32
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32).reshape(entry.shape)


def load(name: str = NAME) -> Weights:
    """The model `name`, remembered while its files do not change. Raises ModelError when it is not ready on this disk,
    or not of the Llama family."""
    folder = ready_folder(name)
    if folder is None:
        raise ModelError("{name} is not prepared on this machine yet", name=name)
    return _load(folder, (folder / "config.json").stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _load(folder: Path, changed: int) -> Weights:
    checkpoint = open_checkpoint(folder)
    if checkpoint.config.get("model_type") != "llama":
        raise ModelError("{name} is not of the Llama family, which the lessons are about", name=folder.name)
    return Weights(checkpoint, Tokenizer.from_folder(folder))
