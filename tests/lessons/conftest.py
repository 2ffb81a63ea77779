"""The real small model, and what its layers read on a real text, once for all tests of the lessons."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.lessons import weights
from optlab.lessons.weights import Array, Weights

SENTENCE = "To be, or not to be, that is the question"
LAYER = "model.layers.2.self_attn.q_proj"


@pytest.fixture(scope="session")
def nano() -> Weights:
    return weights.load()


@pytest.fixture(scope="session")
def gram(nano: Weights) -> Array:
    """Correlated second moments of 256 inputs, some loud and some quiet."""
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 40)) @ random.normal(size=(40, 256)) + 0.5 * random.normal(size=(600, 256))
    x = x * np.exp(random.normal(size=256))
    return x.T @ x / len(x)
