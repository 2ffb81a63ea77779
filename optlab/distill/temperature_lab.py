"""What a temperature does to an answer: probabilities, entropy, and the gradient that a student gets. NumPy alone.

For logits z and a temperature T, p_i = exp(z_i / T) / Z(T) with Z(T) = sum_j exp(z_j / T). With the few numbers of
`Softened` (one log Z per temperature) the probability of every word that is shown follows exactly for all of them,
without the thousands of logits of the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optlab.results.temperature_lab import Position, Softened

Floats = NDArray[np.float64]

TEMPERATURES = (0.25, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 11.0, 16.0)
"""Those of the knob (`optlab.knobs.TEMPERATURES`), and beyond both its ends."""
SHOWN = 12
"""Words of the teacher that are shown at a position, the likeliest first."""


def log_normalizer(logits: Floats, temperature: float) -> Floats:
    """log Z(T) of logits [..., V]."""
    scaled = logits / temperature
    largest = scaled.max(-1)
    found: Floats = largest + np.log(np.exp(scaled - largest[..., None]).sum(-1))
    return found


def probabilities(logits: Floats, temperature: float) -> Floats:
    """softmax(z / T) of logits [..., V]."""
    found: Floats = np.exp(logits / temperature - log_normalizer(logits, temperature)[..., None])
    return found


def entropy(logits: Floats, temperature: float) -> Floats:
    """-sum p log p in nats of softmax(z / T): 0 where one word is sure, log V where all are alike."""
    p = probabilities(logits, temperature)
    found: Floats = log_normalizer(logits, temperature) - (p * logits).sum(-1) / temperature
    return found


def gradient(student: Floats, teacher: Floats, temperature: float) -> Floats:
    """d/dz_s of T^2 KL(teacher || student) at one position: T (q - p) (arXiv 1503.02531, eq. 2, times T^2)."""
    return temperature * (probabilities(student, temperature) - probabilities(teacher, temperature))


def position(teacher: Floats, student: Floats | None, true: int | None) -> Position:
    """Everything that is shown of one position; logits [V] of both, float64. true: the word that follows, if any."""
    ids = [int(one) for one in np.argsort(-teacher)[:SHOWN]]
    if true is not None and true not in ids:
        ids.append(true)
    if student is None:
        return Position(ids=tuple(ids), true=true, teacher=_side(teacher, ids))
    slopes = [gradient(student, teacher, t) for t in TEMPERATURES]
    hard = None
    if true is not None:
        slope = probabilities(student, 1.0)
        slope[true] -= 1.0
        hard = float(np.linalg.norm(slope))
    return Position(
        ids=tuple(ids),
        true=true,
        teacher=_side(teacher, ids),
        student=_side(student, ids),
        gradient=tuple(float(np.linalg.norm(slope)) for slope in slopes),
        pull=tuple(tuple(-float(slope[one]) for one in ids) for slope in slopes),
        hard_gradient=hard,
    )


def _side(logits: Floats, ids: Sequence[int]) -> Softened:
    return Softened(
        logits=tuple(float(logits[one]) for one in ids),
        log_z=tuple(float(log_normalizer(logits, t)) for t in TEMPERATURES),
        entropy=tuple(float(entropy(logits, t)) for t in TEMPERATURES),
    )


def shown(side: Softened, temperatures: Sequence[float], number: int) -> list[float]:
    """Probabilities of the shown words at `temperatures[number]`. temperatures: those that `side` was worked out at."""
    return [float(np.exp(z / temperatures[number] - side.log_z[number])) for z in side.logits]
