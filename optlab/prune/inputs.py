"""The second moments of what a layer reads, for pruning: in the original, or in the model as it is so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.calibrate.sequential import SequentialGrams

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.calibrate.statistics import Statistics
    from optlab.context import Context


class Inputs:
    """Gram matrices of the layers of a context.

    sequential: of the inputs that the layers changed so far make, instead of those in the original model; layers must
    then be asked for in order.
    """

    def __init__(self, context: Context, sequential: bool) -> None:
        self.context = context
        self.changing = SequentialGrams(context.model, context.calibration_windows()) if sequential else None

    def gram(self, name: str) -> Tensor | None:
        """Mean of x x^T, float32 [in, in]; None for an embedding, whose rows are looked up and not multiplied."""
        source, read = self._source(name)
        return None if source is None else source.gram(read).to(self.context.model.device)

    def shared_with(self, name: str) -> str:
        """The layer whose Gram matrix `name` shares; its own name for an embedding."""
        source, read = self._source(name)
        return name if source is None else source.shared_with(read)

    def energy(self, name: str) -> Tensor:
        """Mean of x^2 of each input, float32 [in]; ones for an embedding."""
        H = self.gram(name)
        return self.context.model.weight(name).new_ones(self.width(name)) if H is None else H.diagonal()

    def width(self, name: str) -> int:
        """Inputs of layer `name`."""
        return self.context.model.weight(name).shape[1]

    def _source(self, name: str) -> tuple[Statistics | SequentialGrams | None, str]:
        read = self.context.model.structure.multiplied(name)
        if read is None:
            return None, name
        if self.changing is not None and read in self.changing:
            return self.changing, read
        return self.context.statistics(), read
