"""What reaches the layers of one block: second moments for methods, and the inputs themselves for the report."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from optlab.calibrate.statistics import Listener, Statistics
from optlab.compression import OutputEnergy


class BlockStatistics(Statistics):
    """`Statistics` of one block, in memory."""

    def __init__(self, listener: Listener, widths: dict[str, int], tokens: int) -> None:
        """listener: has heard the calibration text. widths: inputs of every layer of the block."""
        self.folder, self.tokens = Path(), tokens
        self._moments = listener.moments
        self._places = {name: ["", key] for name, key in listener.shared.items()}
        self._seen = {key: moments.count for key, moments in listener.moments.items()}
        self._unread = {name: width for name, width in widths.items() if name not in listener.shared}

    def _read(self, name: str, what: str) -> Tensor:
        if name in self._unread:
            return super()._read(name, what)
        return self._moments[self._places[name][1]].tensor(what)


class Heard:
    """The inputs of layers while some text passes: few tokens, so that they are less than their second moments."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        self._inputs: dict[str, list[Tensor]] = {name: [] for name in layers}
        self._handles = [
            layer.register_forward_pre_hook(lambda _, args, heard=heard: heard.append(args[0].flatten(0, -2)))
            for layer, heard in zip(layers.values(), self._inputs.values(), strict=True)
        ]

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def energy(self, name: str) -> OutputEnergy | None:
        """Mean of |M x|^2 over the inputs x of layer `name`; None where it has read nothing."""
        heard = self._inputs.get(name)
        if not heard:
            return None
        X = torch.cat(heard)
        return lambda M: (X @ M.T).square().sum() / len(X)
