"""What the runtimes of an ONNX graph share: one text at a time, whose keys and values stay with the program."""

from __future__ import annotations

from torch import Tensor


class GraphRuntime:
    """A program with a graph of `optlab.kernels.onnx_export`; a subclass gives `reset` and `logits`."""

    path: str
    notes: list[str]

    def reset(self) -> None:
        """Forget all tokens."""
        raise NotImplementedError

    def logits(self, ids: list[int]) -> Tensor:
        """Logits [T, V] after each of these tokens, which follow those before."""
        raise NotImplementedError

    def prefill(self, ids: list[int]) -> Tensor:
        """Read a prompt; logits [V] for the token that follows."""
        self.reset()
        return self.logits(ids)[-1]

    def decode(self, token: int) -> Tensor:
        """Add one token; logits [V] for the next."""
        return self.logits([token])[-1]
