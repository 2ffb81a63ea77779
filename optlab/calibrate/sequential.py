"""Second moments of what reaches each layer while the layers before it are being compressed.

A layer that is compressed for the inputs it will really get, those of compressed layers before it, can make up for
part of their error. The price: nothing of it can be cached, so every recipe runs the calibration text again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optlab.calibrate.statistics import Listener, neutral
from optlab.calibrate.walk import Walk, in_batches, linears_of
from optlab.models.language_model import LanguageModel


class SequentialGrams:
    """Gram matrices of a model whose blocks change, first to last, while they are asked for.

    All layers of a block are measured together, on inputs that every earlier block has made with the weights it has
    when the block is first asked about. Memory: hidden states of the text and one block's matrices.
    """

    def __init__(self, model: LanguageModel, windows: list[list[int]]) -> None:
        """windows: token ids, all of one length."""
        self.model = model
        self.walk = Walk(model, in_batches(windows))
        self._block = -1
        self._keys: dict[str, str] = {}
        self._grams: dict[str, Tensor] = {}

    def __contains__(self, name: object) -> bool:
        """Whether `name` lies in a block, where alone inputs change."""
        return self._number(str(name)) is not None

    def shared_with(self, name: str) -> str:
        """The layer whose Gram matrix `name` shares. Raises KeyError for a layer outside the blocks, and ValueError
        for one in a block before the block asked about last."""
        number = self._number(name)
        if number is None:
            raise KeyError(name)
        if number < self._block:
            raise ValueError(f"{name} lies before block {self._block}, which was measured already")
        if number > self._block:
            self._measure(number)
        return self._keys.get(name, name)

    def _number(self, name: str) -> int | None:
        return next((i for i, (prefix, _) in enumerate(self.model.blocks()) if name.startswith(f"{prefix}.")), None)

    def gram(self, name: str) -> Tensor:
        """Mean of x x^T over all tokens, float32 [in, in], of an expert over those it read; raises as `shared_with`."""
        key = self.shared_with(name)
        return self._grams[key] if key in self._grams else neutral(self.model.weight(name).shape[1])["gram"]

    @torch.no_grad()
    def _measure(self, number: int) -> None:
        while self.walk.position < number:
            self.walk.advance()
        prefix, block = self.model.blocks()[number]
        with Listener(linears_of(block, prefix, self.model.linear_names())) as listener:
            for batch in range(len(self.walk.states)):
                self.walk.through(batch)
                listener.learned()
        self._block, self._keys = number, listener.shared
        self._grams = {}
        for key, moments in listener.moments.items():
            assert moments.gram is not None
            self._grams[key] = moments.gram / moments.count
