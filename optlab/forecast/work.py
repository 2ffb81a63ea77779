"""How much a pass over the weights multiplies, reads and writes, and the seconds that follow from a machine's rates."""

from __future__ import annotations

from dataclasses import dataclass

from optlab.forecast.footprint import FULL, file_bytes
from optlab.forecast.rates import Rates
from optlab.models.describe import Description
from optlab.protocol import REPORT_TOKENS, Protocol
from optlab.recipes import Recipe

OPERATIONS = 2
"""For a weight and a token: a multiplication and an addition."""
USUAL = Rates(flops=1e11, read=5e8, write=2e8, disturbed=True, made=0.0)
"""Two cores of a server and a disk over a network, until a machine's own rates are known."""
ROUNDING = 60
"""Operations' worth of time that a method of rounding takes for a weight, packing included."""
SETTLING = 600
"""The same for a method that walks through columns, its nine ranges for each group included."""
FACTOR_OPERATIONS = 2
"""For each cube of a width: second moments are damped, ordered and factored."""
WALKS = frozenset({"gptq", "sparsegpt", "sparsegpt_gptq"})


@dataclass(frozen=True)
class Amount:
    """multiplied: operations. read, written: bytes of disk."""

    multiplied: float
    read: float
    written: float

    def seconds(self, rates: Rates | None) -> float:
        """One after the other, at these rates; None: of a usual machine."""
        rates = rates or USUAL
        return self.multiplied / rates.flops + self.read / rates.read + self.written / rates.write


def compression_work(recipe: Recipe, protocol: Protocol, description: Description) -> Amount:
    """Of all blocks: the calibration text, the methods, the report on layers and the file."""
    weights = float(sum(rows * width for _, (rows, width) in description.linears))
    learns = any(step.instance().needs_calibration for step in recipe.steps)
    calibration = protocol.calibration_tokens if learns else 0
    report = min(protocol.calibration_tokens, REPORT_TOKENS) if recipe.steps else 0
    squares = float(sum(width * width for _, (_, width) in description.linears))
    operations = OPERATIONS * (calibration * (weights + squares / 2) + report * 3 * weights)
    for step in recipe.steps:
        walks = step.method in WALKS
        operations += (SETTLING if walks else ROUNDING) * weights
        operations += FACTOR_OPERATIONS * sum(float(width) ** 3 for _, (_, width) in description.linears) / 2 * walks
    states = _states_bytes(description, calibration + report)
    return Amount(operations, description.size_bytes + states, file_bytes(description, recipe) + states)


def evaluation_work(protocol: Protocol, description: Description) -> Amount:
    """Of both models: all blocks, and the head of every token."""
    operations = OPERATIONS * 2 * protocol.tokens * float(description.parameters)
    states = _states_bytes(description, 2 * protocol.tokens)
    return Amount(operations, states, states)


def _states_bytes(description: Description, tokens: int) -> float:
    """That pass through the disk once a block."""
    width = min(layer.shape[-1] for layer in description.layers if layer.kind == "embedding")
    return float(FULL * width * tokens * description.blocks)
