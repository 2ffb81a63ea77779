"""What a LoRA adapter does to each tensor of its base.

LoRA (Hu et al., arXiv 2106.09685): W + s B A with s = alpha / r, or alpha / sqrt(r) where ranks are stabilized (rsLoRA,
Kalajdzievski, arXiv 2312.03732). DoRA (Liu et al., arXiv 2402.09353): the rows of that, scaled to lengths m. Names and
layouts are those of the package peft (`tuners/lora/layer.py`); a test merges with it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.messages import say
from optlab.models.checkpoint import ADAPTER, ADAPTER_CONFIG, Checkpoint, read_header, read_json
from optlab.models.families import placed, read_tensors, skeleton
from optlab.models.structure import analyse, is_conv1d

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."
"""What peft puts before the name of a module."""
PARTS = re.compile(r"(.+)\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight|\.bias|)")
AROUND = re.compile(r"\.(base_layer|modules_to_save)(?=\.)|(?<=lora_[AB])\.default(?=\.)|(?<=to_save)\.default(?=\.)")
"""What peft puts into the name of a module that it wraps."""
PLAIN = re.compile(r"[\w.^$|()\\-]*")
"""Expressions of rank_pattern and alpha_pattern that are matched: without repetitions, which could take for ever."""


@dataclass(frozen=True)
class LowRank:
    """What an adapter adds to one module, in float32. A: [r, in], B: [out, r]; of an embedding, A has a column for each
    token and B a row for each feature. magnitude: [out], DoRA's m."""

    A: Tensor
    B: Tensor
    scale: float
    magnitude: Tensor | None
    of_embedding: bool

    @property
    def shape(self) -> tuple[int, int]:
        """That of the weight: [out, in], or [tokens, features]."""
        ends = self.B.shape[0], self.A.shape[1]
        return ends[::-1] if self.of_embedding else ends

    def merged(self, W: Tensor) -> Tensor:
        """`W` with the adapter in it, in its dtype."""
        delta = self.scale * (self.B @ self.A)
        V = W.float() + (delta.T if self.of_embedding else delta)
        if self.magnitude is not None:
            V = V * (self.magnitude / V.norm(dim=1))[:, None]
        return V.to(W.dtype)


class Merger:
    """The adapter in a folder beside the checkpoint of its base. config: the merged model's. added: tensors that the
    base has not.

    Raises ModelError when the adapter is not one of this base, or says what is not understood.
    """

    def __init__(self, source: Path, base: Checkpoint) -> None:
        self.name, self.base = source.name, base
        self.about = read_json(source / ADAPTER_CONFIG)
        self.config: JsonObject = dict(base.config)
        self.added: dict[str, Tensor] = {}
        self._module = skeleton(base.config)
        self._structure = analyse(self._module)
        places = placed(base).places
        shared = Counter(places.values())
        self._tensor_of = {place: name for name, place in places.items() if shared[place] == 1}
        self._low_rank: dict[str, tuple[LowRank, bool]] = {}
        self._whole: dict[str, Tensor] = {}
        self._bias: dict[str, Tensor] = {}
        self._read(source)

    def changed(self, name: str, values: Tensor) -> Tensor:
        """A tensor of the base as it is in the merged model, in the same dtype."""
        if name in self._whole:  # peft also writes an embedding beside its low-rank change
            values = self._whole[name].to(values.dtype)
        if name in self._bias:
            return (values.float() + self._bias[name]).to(values.dtype)
        if name not in self._low_rank:
            return values
        low_rank, transposed = self._low_rank[name]
        return low_rank.merged(values.T).T if transposed else low_rank.merged(values)

    def _read(self, source: Path) -> None:
        import torch

        entries = {entry.name: entry for entry in read_header(source / ADAPTER)}
        parts: dict[str, dict[str, Tensor]] = {}
        whole: dict[str, Tensor] = {}
        for name, values in read_tensors(entries, torch.float32).items():
            own = AROUND.sub("", name.removeprefix(PREFIX))
            found = PARTS.fullmatch(own)
            if found:
                leaf = found[2] + (found[3] if found[3] == ".bias" else "")
                parts.setdefault(found[1], {})[leaf] = values
            else:
                whole[own] = values
        self._replace(whole)
        for module, found_parts in parts.items():
            self._add(module, found_parts)

    def _replace(self, whole: dict[str, Tensor]) -> None:
        """Take tensors that the adapter holds as they are: biases, and modules that were trained whole."""
        import torch

        embedding, head = (f"{end}.weight" for end in (self._structure.embedding, self._structure.head))
        if self._structure.tied and {embedding, head} & set(whole):
            if not {embedding, head} <= set(whole):
                raise self._refused(say("embedding and head are one tensor in its base, and it holds one of them"))
            trained = whole.pop(head)
            if not torch.equal(trained, whole[embedding]):
                self.config["tie_word_embeddings"] = False
                self.added[head] = trained.to(self._dtype(embedding))
        for name, values in whole.items():
            place = self._tensor(name)
            rows, shape = tuple(values.shape), self.base.tensors[place].shape
            if rows[1:] != shape[1:] or (rows != shape and name not in (embedding, head)):
                raise self._misfit(name, rows, shape)
            if rows != shape:
                self.config["vocab_size"] = rows[0]
            self._whole[place] = values

    def _add(self, module: str, parts: Mapping[str, Tensor]) -> None:
        if self._structure.tied and module in (self._structure.embedding, self._structure.head):
            raise self._refused(say("it changes embedding or head alone, which are one tensor in its base"))
        of_embedding = "lora_embedding_A" in parts
        try:
            A, B = (parts[f"lora_embedding_{one}" if of_embedding else f"lora_{one}"] for one in "AB")
        except KeyError:
            raise self._refused(say("it holds only a part of {module}", module=module)) from None
        found = LowRank(A, B, self._scale(module, A), parts.get("lora_magnitude_vector"), of_embedding)
        if self.about.get("use_dora") and (found.magnitude is None or of_embedding):
            raise self._refused(say("the lengths (use_dora) of {module} are not understood", module=module))
        place = self._tensor(f"{module}.weight")
        transposed = self._is_transposed(module)
        shape = self.base.tensors[place].shape
        if found.shape != (shape[::-1] if transposed else shape):
            raise self._misfit(module, found.shape, shape)
        self._low_rank[place] = found, transposed
        if "lora_B.bias" in parts:
            self._bias[self._tensor(f"{module}.bias")] = found.scale * parts["lora_B.bias"]

    def _scale(self, module: str, A: Tensor) -> float:
        rank = self._said_of(module, "rank_pattern", self.about.get("r"))
        alpha = self._said_of(module, "alpha_pattern", self.about.get("lora_alpha"))
        if rank != A.shape[0] or isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
            raise self._refused(
                say(
                    "its config gives {module} the rank {rank} and the alpha {alpha}, and its file the rank {found}",
                    module=module,
                    rank=rank,
                    alpha=alpha,
                    found=A.shape[0],
                )
            )
        return alpha / (math.sqrt(rank) if self.about.get("use_rslora") else rank)

    def _said_of(self, module: str, key: str, otherwise: Any) -> Any:
        patterns = self.about.get(key) or {}
        for pattern, value in patterns.items():
            if not PLAIN.fullmatch(pattern):
                raise self._refused(say("its {key} holds an expression that is not read", key=key))
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
        return otherwise

    def _tensor(self, name: str) -> str:
        """The tensor of the base that is the module's `name`."""
        if name in self.base.tensors:
            return name
        if name not in self._tensor_of:
            raise self._refused(say("it changes {name}, which its base does not have", name=name))
        return self._tensor_of[name]

    def _is_transposed(self, module: str) -> bool:
        try:
            return is_conv1d(self._module.get_submodule(module))
        except AttributeError:  # an expert, by the name that it has in the file
            return False

    def _dtype(self, name: str) -> Any:
        from safetensors.torch import _TYPES

        return _TYPES[self.base.tensors[self._tensor(name)].dtype]

    def _misfit(self, name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> ModelError:
        return self._refused(
            say(
                "its {name} has shape {found}, that of its base {wanted}", name=name, found=list(found),
                wanted=list(wanted),
            )
        )  # fmt: skip

    def _refused(self, why: str) -> ModelError:
        return ModelError(
            "{name} cannot be merged into {base}: {why}", name=self.name, base=self.base.folder.name, why=why
        )
