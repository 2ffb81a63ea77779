"""What measuring takes with both models whole in memory, phase by phase.

In the process are the original in float32 (`LanguageModel` of the cache) and its compressed copy, the codes of rounded
layers a byte each, while they are written the packed file twice (as tensors and as bytes), and while it is timed both
models once more as their kernels read them. What trains keeps gradients, two moments and averaged weights besides.
"""

from __future__ import annotations

from optlab.forecast.footprint import FULL, Footprint, file_bytes
from optlab.forecast.workspace import moments, workspace
from optlab.models.describe import Description
from optlab.protocol import Protocol
from optlab.recipes import Recipe

BARE_BYTES, PROCESS_BYTES, READING_BYTES = 310 * 10**6, 590 * 10**6, 160 * 10**6
"""Python and torch; with tokenizer and texts; and states and logits of a few positions of both models."""
TRAINING = 16
"""Bytes of a parameter that training keeps: gradients, two moments, averaged weights."""
CODE = 1
"""Byte of a code before it is packed."""
DECODED = 2
"""Bytes of a number as the original is timed, and of embedding and head of both."""
READ, COMPRESS, QUALITY, LATENCY, LAYERS = "read", "compress", "quality", "latency", "layers"


def footprint(recipe: Recipe, protocol: Protocol, description: Description) -> Footprint:
    """protocol: settled. What decodes in processes of its own to measure its peak is not counted."""
    parameters, linears = description.parameters, description.linears
    rounded = any(step.kind == "quantize" for step in recipe.steps)
    codes = CODE * sum(rows * width for _, (rows, width) in linears) if rounded else 0
    written = file_bytes(description, recipe)
    both = 2 * FULL * parameters + codes
    evaluated = 2 * 2 * parameters if protocol.dtype == "bfloat16" else 0
    trains = any(step.instance().trains for step in recipe.steps)
    shapes = [shape for _, shape in linears]
    block = [shape for layer, shape in zip(_blocks(description), shapes, strict=True) if layer == 0]
    at_work = workspace(recipe, shapes) + moments(recipe, block or shapes)
    memory = {
        READ: BARE_BYTES + FULL * parameters,
        COMPRESS: PROCESS_BYTES + both + max(at_work, 2 * written) + (TRAINING * parameters if trains else 0),
        QUALITY: PROCESS_BYTES + READING_BYTES + both + evaluated,
        LAYERS: PROCESS_BYTES + READING_BYTES + both + evaluated + workspace(recipe, shapes),
    }
    if protocol.latency and description.objective == "causal":
        memory[LATENCY] = PROCESS_BYTES + READING_BYTES + both + evaluated + DECODED * parameters + written
    return Footprint(memory, written)


def _blocks(description: Description) -> list[int | None]:
    numbers = {layer.name: layer.block for layer in description.layers}
    return [numbers[name] for name, _ in description.linears]
