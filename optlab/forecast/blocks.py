"""What measuring takes block by block (`optlab.streaming`): one block twice, its workspace, or one end of the model."""

from __future__ import annotations

from optlab.forecast.footprint import FULL, Footprint, file_bytes
from optlab.forecast.workspace import moments, workspace
from optlab.models.describe import Description
from optlab.protocol import REPORT_TOKENS, Protocol
from optlab.recipes import Recipe

PROCESS_BYTES = 700 * 10**6
"""Python, torch, tokenizer, texts, and what was freed of them and not given back."""
EMBEDDING, BLOCK, HEAD = "embedding", "blocks", "head"
CODE = 1.6
"""Bytes of a code before it is packed, and after."""


def footprint(recipe: Recipe, protocol: Protocol, description: Description) -> Footprint:
    """protocol: settled."""
    block, shapes = _largest_block(description)
    ends = [layer for layer in description.layers if layer.kind in ("embedding", "head") and len(layer.shape) == 2]
    evaluated, stored = (2 if protocol.dtype == "bfloat16" else FULL), description.size_bytes / description.parameters
    largest = max(layer.parameters for layer in ends)
    both = sum(layer.parameters for layer in ends)
    width = min(layer.shape[1] for layer in ends)
    narrow = evaluated != FULL
    memory = {
        # read as stored and widened, one after the other; then as it is written: read, compared, and as bytes
        EMBEDDING: PROCESS_BYTES + max(FULL * both + stored * largest, 3 * stored * both),
        BLOCK: PROCESS_BYTES + (2 * FULL + CODE + (evaluated if narrow else 0)) * block
        + moments(recipe, shapes) + workspace(recipe, shapes),
        HEAD: PROCESS_BYTES + evaluated * both + stored * largest,
    }  # fmt: skip
    return Footprint(
        {phase: round(size) for phase, size in memory.items()},
        round(file_bytes(description, recipe) + 2 * _states(recipe, protocol, width, evaluated)),
    )


def _largest_block(description: Description) -> tuple[int, list[tuple[int, int]]]:
    """Parameters of the largest block, and the shapes of its linear layers."""
    sizes: dict[int, int] = {}
    for layer in description.layers:
        if layer.block is not None:
            sizes[layer.block] = sizes.get(layer.block, 0) + layer.parameters
    number = max(sizes, key=lambda block: sizes[block])
    inside = {layer.name for layer in description.layers if layer.block == number}
    return sizes[number], [shape for name, shape in description.linears if name in inside]


def _states(recipe: Recipe, protocol: Protocol, width: int, evaluated: int) -> int:
    """Bytes of the hidden states of all sides after one block; the next block's are beside them while they are made."""
    full = min(protocol.calibration_tokens, REPORT_TOKENS) if recipe.steps else 0
    full += protocol.calibration_tokens if any(step.instance().needs_calibration for step in recipe.steps) else 0
    full += protocol.calibration_tokens if any(step.values.get("sequential") for step in recipe.steps) else 0
    return width * (2 * evaluated * protocol.tokens + FULL * full)
