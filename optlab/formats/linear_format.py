"""What decides how a linear layer is multiplied: the width of its codes, who shares a scale, how it rounds its inputs.

Torch-free, because it is known of a stored weight and as well of a recipe that nobody has applied yet.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LinearFormat:
    """width: inputs of a row. bits: of integer codes on a grid; None where the weight is anything else (16 bits, a
    codebook, float8, zeros left out of plain numbers). group_size: inputs that share a scale, None = the whole row.
    symmetric: no zero point. activation_bits: to which the layer rounds what it reads, None = it does not.
    scales_in_float16: whether float16 holds every scale to one part in a thousand, as nearly always."""

    width: int
    bits: int | None = None
    group_size: int | None = None
    symmetric: bool = False
    activation_bits: int | None = None
    scales_in_float16: bool = True

    @property
    def group(self) -> int:
        """Inputs that share a scale."""
        return self.group_size or self.width

    @property
    def per_row(self) -> bool:
        """Whether a whole row shares one scale."""
        return self.group == self.width
