"""What the knob of temperature previews is the softmax of the teacher's own logits, at every stop."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.distill import temperature_lab
from optlab.figures import softened
from optlab.knobs import TEMPERATURES
from optlab.results.temperature_lab import TemperatureLab

LOGITS = np.random.default_rng(3).normal(0.0, 3.0, (3, 500))


def lab() -> TemperatureLab:
    positions = tuple(temperature_lab.position(z, None, None) for z in LOGITS)
    names = {one: f" word{one}" for place in positions for one in place.ids}
    return TemperatureLab(
        tokens=("To", " be", " or", " not"), names=names, positions=positions,
        temperatures=temperature_lab.TEMPERATURES,
    )  # fmt: skip


def test_every_stop_of_the_knob_has_the_softmax_of_the_logits() -> None:
    found = softened.of(lab(), TEMPERATURES)
    assert found is not None
    rows = [np.argsort(-z)[: softened.SHOWN] for z in LOGITS]
    at = next(n for n, row in enumerate(rows) if found.tokens == tuple(f"word{one}" for one in row))
    for temperature, shares, labels in zip(TEMPERATURES, found.shares, found.labels, strict=True):
        raised = np.exp(LOGITS[at] / temperature)
        np.testing.assert_allclose(shares, (raised / raised.sum())[rows[at]], rtol=1e-9)
        assert len(labels) == softened.SHOWN and labels[0].endswith("%")
    assert found.told.endswith("".join(("To", " be", " or")[: at + 1]) + "”")


def test_a_stop_at_which_the_teacher_was_not_asked_shows_nothing() -> None:
    found = softened.of(lab(), [1.0, 1.23])
    assert found is not None and found.shares[0] and found.shares[1] == ()


@pytest.mark.parametrize("stop", TEMPERATURES)
def test_the_lab_asks_at_every_stop_of_the_knob(stop: float) -> None:
    assert stop in temperature_lab.TEMPERATURES
