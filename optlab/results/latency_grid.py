"""Speed at several prompt lengths and with several texts at once."""

from __future__ import annotations

from collections.abc import Iterator

from optlab.results.document import Document, Part
from optlab.results.environment import Environment
from optlab.results.fields import Count, Interval, Name, Number, Sentence, Word
from optlab.results.recipe import RecipeField
from optlab.results.specs import RecipeSpec


class LatencyGridSpec(RecipeSpec):
    """Which model to time, and which recipe on it beside the original.

    prompts (tokens), batches (texts at once): rising; None for those that the pages show.
    """

    prompts: tuple[Count, ...] | None = None
    batches: tuple[Count, ...] | None = None


class Cell(Part):
    """Timings of one model at one prompt length and batch.

    step_ms: one new token for each of `batch` texts, the median with its 5th and 95th percentile; tokens_per_s: of all
    texts together. prefill_tokens_per_s: of all prompts together; time_to_first_token_ms: until each text has one.
    speedup: of a step against the original's, the paired ratio of rounds timed in turns; None for the original itself.
    """

    prompt_tokens: Count
    batch: Count
    step_ms: Number
    step_ms_p5: Number
    step_ms_p95: Number
    tokens_per_s: Number
    prefill_tokens_per_s: Number
    time_to_first_token_ms: Number
    speedup: Number | None = None
    speedup_ci95: Interval | None = None


class Cells(Part):
    """Shortest prompt and smallest batch first; candidate: None where only the original is timed."""

    base: tuple[Cell, ...] = ()
    candidate: tuple[Cell, ...] | None = None

    def sides(self) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        """(side, cells) of those that there are."""
        yield "base", self.base
        if self.candidate is not None:
            yield "candidate", self.candidate


class GridSide(Part):
    """path: which code ran; notes: what had no kernel. What a step reads as in `optlab.results.latency.Latency`."""

    path: Sentence
    notes: tuple[Sentence, ...] = ()
    bytes_per_token: Count | None = None
    weights_per_token: Count | None = None
    bytes_per_position: Count | None = None


class GridSides(Part):
    base: GridSide
    candidate: GridSide | None = None

    def sides(self) -> Iterator[tuple[str, GridSide]]:
        """(side, how it ran) of those that there are."""
        yield "base", self.base
        if self.candidate is not None:
            yield "candidate", self.candidate


class Limits(Part):
    """What this machine gives at most (the roofline); None where it was not measured."""

    read_bytes_per_s: Number | None = None
    operations_per_s: Number | None = None


class LatencyGrid(Document):
    model: Name
    recipe: RecipeField
    dtype: Word
    device: Word
    cells: Cells
    sides: GridSides
    limits: Limits = Limits()
    environment: Environment = Environment()


class LatencyGridSoFar(Document):
    """The cells that are timed."""

    cells: Cells = Cells()
