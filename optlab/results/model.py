"""Of a model alone: which heads matter, and what its probe found."""

from __future__ import annotations

from optlab.files import JsonObject
from optlab.results.document import Document
from optlab.results.fields import Count, Number, Truth, Word
from optlab.results.specs import ProtocolSpec, Spec


class PrepareSpec(Spec):
    """Convert or download a model and list its layers; the result is `optlab.models.describe.Description`."""


class ProbeSpec(Spec):
    """Look at a model once, so that every recipe of it can be predicted."""


class SpeedSpec(Spec):
    """Time a few recipes of a probed model on this machine."""


class ImportanceSpec(ProtocolSpec):
    """Judge every attention head on the calibration text."""


class HeadImportance(Document):
    """heads: [blocks][heads], |dL/dgate| in nats per token. shared: heads that read the same keys and values."""

    heads: tuple[tuple[Number, ...], ...]
    shared: Count
    windows: Count


class ProbingSoFar(Document):
    """anchors: recipes that were measured, of `anchors_wanted`."""

    anchors: Count = 0
    anchors_wanted: Count = 0


class Probed(Document):
    """How much is known: recipes measured, families of methods with a table, recipes timed."""

    model: Word
    fingerprint: Word
    anchors: Count
    families: tuple[Word, ...]
    timings: Count

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Untyped results listed the timings, which the probe's folder holds."""
        timings = fields.get("timings")
        return fields | ({"timings": len(timings)} if isinstance(timings, list) else {})


class SpeedTimed(Document):
    """How many recipes were timed in turns, 0 for a model that does not write token by token. disturbed: whether
    something else ran meanwhile, so that they are worth timing again."""

    model: Word
    fingerprint: Word
    dtype: Word
    recipes: Count
    disturbed: Truth = False
