"""What a probe wrote down besides its arrays, and what was timed on one machine; each read from a file that anyone may
have written, so every field has a type."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Len
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from optlab.files import JsonObject
from optlab.results.document import Document, Part
from optlab.results.environment import Environment
from optlab.results.fields import Count, Name, Number, Positive, Seconds, Sentence, Word
from optlab.results.recipe import RecipeField

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Shape = tuple[Positive, Positive]
Setting = StrictBool | StrictInt | StrictFloat | StrictStr | None


class Anchor(Part):
    """A recipe that a probe measured on its first `windows` windows, `tokens` in all: difference of the loss to the
    original and divergence from it, nats per token; None where they were not finite."""

    recipe: RecipeField
    nll: Number | None
    kl: Number | None
    windows: Positive
    tokens: Positive


class Correction(Part):
    """ratio [layers]: measured over predicted divergence of every layer changed alone by a level of a family."""

    family: Name
    level: Count
    ratio: tuple[Number, ...]


class EndDamage(Part):
    """kl: mean divergence, nats per token, when the embedding or head `name` alone is rounded by a family."""

    name: Name
    family: Name
    bits: Positive
    group_size: Positive | None
    kl: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class TableHeader(Part):
    """What the rows of one family's arrays mean; see `optlab.prediction.state.FamilyTable`."""

    kind: Name
    method: Name
    levels: tuple[dict[Name, Setting], ...]
    masks: tuple[Name, ...]


class ProbeHeader(Document):
    """Everything of a probe but its arrays; see `optlab.prediction.state.State` for the fields.

    rule: version of the probe that found the numbers. made: when it was last added to, seconds since 1970; made_with:
    the version of OptLab.
    """

    rule: Count
    made: Seconds
    made_with: Word
    model: Name
    fingerprint: Digest
    text: Word
    names: tuple[Name, ...]
    shapes: tuple[Shape, ...]
    kinds: tuple[Name, ...]
    blocks: tuple[Count, ...]
    matrices: tuple[tuple[Name, Shape], ...]
    tensors: tuple[tuple[Name, Name, tuple[Count, ...]], ...]
    storage_dtype: Name
    head: Word
    anchors_wanted: Count
    corrections: tuple[Correction, ...]
    anchors: tuple[Anchor, ...]
    tables: dict[Name, TableHeader]
    ends: tuple[EndDamage, ...] = ()

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """The state.json of a probe before it was one file, which said neither its rule nor when it was made."""
        fields.setdefault("rule", 3)
        fields.setdefault("made", 0.0)
        fields.setdefault("made_with", "")
        return fields


class TimedRecipe(Part):
    """ms per token of one of the recipes that were timed in turns; low, high: of its fastest and slowest round."""

    recipe: RecipeField
    decode_ms: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    low: Number
    high: Number


class SpeedAnchors(Document):
    """A few recipes of one model, timed in turns on one machine; the first is the original.

    dtype: of activations. path: which code ran. machine: just before, so that its load is that of the others. made:
    seconds since 1970.
    """

    fingerprint: Digest
    dtype: Name
    path: Sentence
    timed: Annotated[tuple[TimedRecipe, ...], Len(2)]
    machine: Environment
    made: Seconds
