"""The one protocol of all quality benchmarks, so that their tables can be laid side by side.

SmolLM2-135M in float32; perplexity over the first 24 windows of 512 tokens of the WikiText-2 test file, no token added;
calibration on 32 windows of 512 tokens of BBC News. The original gives 32.33.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from optlab.compression import Compressed, compress
from optlab.evaluation.perplexity import perplexity
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.texts import calibration_windows, evaluation_tokens

MODEL = "smollm2-135m"
TEXT = Path(__file__).resolve().parents[2] / "shared" / "data" / "wikitext-2-raw-test.txt"
CALIBRATION = "bbc-news"
WINDOWS, CONTEXT, CALIBRATION_WINDOWS = 24, 512, 32


@dataclass(frozen=True)
class Row:
    """One line of a table. bits: stored bits per weight of the decoder's linear layers. cpu_s: of all threads."""

    name: str
    ppl: float
    bits: float
    seconds: float
    cpu_s: float

    def __str__(self) -> str:
        return f"| {self.name} | {self.ppl:.4g} | {self.bits:.3f} | {self.seconds:.1f} | {self.cpu_s:.0f} |"


HEAD = "| method | perplexity | bits per weight | seconds | CPU seconds |\n|---|---|---|---|---|"


class Bench:
    """The model, its text and its calibration, loaded once."""

    def __init__(self, model: str = MODEL, windows: int = WINDOWS, text: str | None = None) -> None:
        self.model = load(model, "float32")
        self.ids = evaluation_tokens(text or str(TEXT), self.model.tokenizer, windows * CONTEXT)
        self.protocol = Protocol(
            calibration=CALIBRATION, calibration_tokens=CALIBRATION_WINDOWS * CONTEXT, context=CONTEXT, dtype="float32"
        )

    def calibration(self) -> list[list[int]]:
        """Token ids that a peer calibrates on: the very windows that we use."""
        tokens = CALIBRATION_WINDOWS * CONTEXT
        return calibration_windows(CALIBRATION, self.model.tokenizer, tokens, CONTEXT, self.protocol.seed)

    def ppl(self, model: LanguageModel) -> float:
        """Perplexity by the protocol."""
        return perplexity(model, self.ids, CONTEXT).ppl

    def measure(self, recipe: Recipe, name: str | None = None) -> tuple[Row, Compressed]:
        """Apply a recipe and evaluate it; the time is that of the recipe alone, its calibration included."""
        began, cpu = time.perf_counter(), _cpu_s()
        compressed = compress(self.model, recipe, self.protocol)
        seconds, cpu = time.perf_counter() - began, _cpu_s() - cpu
        linears = set(compressed.model.linear_names())
        layers = [layer for layer in compressed.layers if layer.name in linears]
        sizes = [compressed.model.weight(layer.name).numel() for layer in layers]
        bits = sum((layer.bits_per_weight or 0.0) * n for layer, n in zip(layers, sizes, strict=True)) / sum(sizes)
        row = Row(name or recipe.describe(), self.ppl(compressed.model), bits, seconds, cpu)
        return row, compressed


def machine() -> str:
    """Where and with what, for the caption of a table."""
    from optlab.evaluation.environment import record

    found = record()
    return (
        f"{found.processor}, {torch.get_num_threads()} threads, load {found.load}, torch {torch.__version__}, "
        f"{time.strftime('%Y-%m-%d')}"
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
