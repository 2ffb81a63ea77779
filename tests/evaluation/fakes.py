"""Models small enough to know the answer of: logits that follow from a formula, in place of a network."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from optlab.framing import Framing

SPECIAL = {"cls": 26, "sep": 27, "mask": 28}


class Letters:
    """A tokenizer of the 26 letters, one byte each; 26 to 28 are [CLS], [SEP] and [MASK]."""

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(97 + i) for i in ids)

    def special_id(self, role: str) -> int | None:
        return SPECIAL.get(role)


class TableModel:
    """A causal or masked "model" whose logits depend on one row of a table: that of the token it stands on (causal), or
    of the token before the mask (masked). The hidden state is that row, the head is the identity. Counts its passes."""

    def __init__(self, table: Tensor, objective: str = "causal", name: str = "table") -> None:
        self.name, self.objective, self.fingerprint = name, objective, "fixed"
        self.module = nn.Embedding.from_pretrained(table, freeze=True)
        self.tokenizer = Letters()
        self.description = SimpleNamespace(context_length=64, vocabulary=table.shape[1])
        self.device, self.dtype = torch.device("cpu"), table.dtype
        self.passes: list[Tensor] = []

    def framing(self) -> Framing:
        return Framing((SPECIAL["cls"],), (SPECIAL["sep"],)) if self.objective == "masked" else Framing()

    def hidden(self, ids: Tensor) -> Tensor:
        self.passes.append(ids)
        before = ids if self.objective == "causal" else ids.roll(1, dims=1)
        return self.module(before)

    def head(self, hidden: Tensor) -> Tensor:
        return hidden

    def logits(self, ids: Tensor) -> Tensor:
        return self.head(self.hidden(ids))


def random_model(seed: int = 0, size: float = 1.0, vocabulary: int = 29, objective: str = "causal") -> TableModel:
    """A table of normal numbers times `size`."""
    generator = torch.Generator().manual_seed(seed)
    return TableModel(size * torch.randn(vocabulary, vocabulary, generator=generator), objective, f"table {seed}")


def random_ids(count: int, seed: int = 0) -> list[int]:
    """Letters, uniformly."""
    return torch.randint(0, 26, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
