"""How a training went: two curves of losses in nats per token."""

from __future__ import annotations

from typing import NamedTuple

from optlab.results.document import Part
from optlab.results.fields import Count, Number


class CurvePoint(NamedTuple):
    """nll: nats per token. seconds: of training until then."""

    step: Count
    nll: Number
    seconds: Number


class Training(Part):
    """loss: of the words learned from, neighbouring steps averaged. held_out: of windows that training never sees.
    alpha: weight of the text itself against the teacher, None where the training has no teacher."""

    loss: tuple[CurvePoint, ...] = ()
    held_out: tuple[CurvePoint, ...] = ()
    alpha: Number | None = None


class TrainingSoFar(Part):
    """A training as it goes on, or as it went. left_s: seconds that it will take at this speed."""

    training: Training
    tokens_per_s: Number | None = None
    left_s: Number | None = None
