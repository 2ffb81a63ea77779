"""What the curve is told of a measurement can be written as JSON, whatever was measured."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest

from optlab.figures import curve_tiles
from tests.pages import samples


@pytest.mark.parametrize("ratio", [1.1, math.inf, math.nan, 1e300])
def test_a_broken_model_leaves_the_rest_of_the_curve_as_it_is(ratio: float) -> None:
    tiles = curve_tiles.measured(samples.measurement(ratio, 4_000_000, 1.0, samples.quantized(2)))
    json.dumps([asdict(tile) for tile in tiles], allow_nan=False)
    quality, size, _ = tiles
    assert (quality.value is None) == (not math.isfinite(ratio))
    assert "better" not in quality.headline and size.value == 4_000_000
