"""What another machine would make of a model: worked out from data sheets, never timed there."""

from __future__ import annotations

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Interval, Name, Number, Sentence
from optlab.results.recipe import RecipeField


class TokenRate(Part):
    """Tokens a second at the end of the context, with the median, and in the band with the lowest and the highest,
    share of the bandwidth that decoding reached in `timings` timings on `machines` machines."""

    per_s: Number
    band: Interval
    timings: Count
    machines: Count


class TargetEstimate(Part):
    """One device. bandwidth: bytes a second, memory_bytes: all it has, source: where these figures stand. left_bytes:
    of the memory, for programs and system; negative where the model does not fit. tokens: None where it does not fit,
    or a token would be shorter than any that was timed."""

    name: Name
    title: Sentence
    source: Sentence
    memory_bytes: Count
    bandwidth: Number
    left_bytes: int
    tokens: TokenRate | None = None

    @property
    def fits(self) -> bool:
        """Whether weights and cache find room."""
        return self.left_bytes >= 0


class TargetEstimates(Document):
    """A model and a recipe on some devices, one text of `context` tokens. weight_bytes, cache_bytes: exactly, as they
    are stored. read_bytes: by the last token of the context."""

    model: Name
    recipe: RecipeField
    context: Count
    weight_bytes: Count
    cache_bytes: Count
    read_bytes: Count
    targets: tuple[TargetEstimate, ...]
