"""A model is measured whole where it fits, else block by block where the recipe allows it; else it says what would."""

from __future__ import annotations

import pytest

from optlab.errors import MeasurementError, RecipeError
from optlab.forecast import choice
from optlab.forecast.choice import VARIABLE, Room, footprint, way_of
from optlab.i18n import said
from optlab.jobs.resolution import settled
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from tests.described import llama

ROUNDED = Recipe.of(Step("quantize", "rtn", {"bits": 4, "group_size": 64}))
GPTQ = Recipe.of(Step("quantize", "gptq", {"bits": 4, "group_size": 64}))
TAYLOR = Recipe.of(Step("prune", "taylor"))
PROTOCOL = settled("smollm2-135m", Protocol(dtype="float32", tokens=2048, calibration_tokens=2048, device="cpu"))


SEVEN = llama(4096, 11_008, 32)
SEVENTY = llama(8192, 28_672, 80)
GB = 10**9


@pytest.fixture(autouse=True)
def _decided_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_what_fits_is_measured_whole_and_what_does_not_by_blocks() -> None:
    plenty, little = Room(200 * GB, 200 * GB), Room(16 * GB, 200 * GB)
    assert way_of(ROUNDED, PROTOCOL, SEVEN, plenty) == "whole"
    assert way_of(ROUNDED, PROTOCOL, SEVEN, little) == "blocks"


def test_seven_and_seventy_billion_go_by_blocks_within_what_is_asked_of_them() -> None:
    assert footprint(ROUNDED, PROTOCOL, SEVEN, "blocks").peak < 8 << 30
    seventy = footprint(ROUNDED, PROTOCOL, SEVENTY, "blocks")
    assert seventy.peak < 24 << 30 < footprint(ROUNDED, PROTOCOL, SEVENTY, "whole").peak


def test_a_recipe_that_needs_the_whole_model_says_what_would_fit() -> None:
    with pytest.raises(RecipeError) as refused:
        way_of(TAYLOR, PROTOCOL, SEVEN, Room(16 * GB, 200 * GB))
    text = said(refused.value.message)
    assert "gradients of the whole model" in text and "a recipe of rtn, gptq or wanda goes block by block" in text


def test_a_block_that_is_too_large_says_what_would_fit() -> None:
    with pytest.raises(RecipeError, match=r"one block of m needs about \d+\.\d GB .* rounding"):
        way_of(GPTQ, PROTOCOL, SEVENTY, Room(12 * GB, 200 * GB))


def test_a_disk_that_is_too_small_is_refused_before() -> None:
    needed = footprint(ROUNDED, PROTOCOL, SEVEN, "blocks").disk
    assert 3.5 * GB < needed < 5 * GB
    with pytest.raises(MeasurementError, match=r"GB of disk are needed"):
        way_of(ROUNDED, PROTOCOL, SEVEN, Room(16 * GB, needed - 1))
    assert way_of(ROUNDED, PROTOCOL, SEVEN, Room(16 * GB, needed)) == "blocks"


def test_the_environment_decides_where_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "always")
    assert way_of(ROUNDED, PROTOCOL, SEVEN, Room(200 * GB, 200 * GB)) == "blocks"
    monkeypatch.setenv(VARIABLE, "never")
    assert way_of(ROUNDED, PROTOCOL, SEVEN, Room(GB, 200 * GB)) == "whole"


def test_a_card_is_not_this_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "on_gpu", lambda device: True)
    assert way_of(ROUNDED, PROTOCOL, SEVEN, Room(16 * GB, 200 * GB)) == "whole"


def test_more_tokens_take_more_disk_and_methods_more_memory() -> None:
    rounded, longer = (
        footprint(ROUNDED, PROTOCOL.model_copy(update={"tokens": tokens}), SEVEN, "blocks") for tokens in (2048, 8192)
    )
    assert longer.disk > rounded.disk
    assert footprint(GPTQ, PROTOCOL, SEVEN, "blocks").memory["blocks"] > rounded.memory["blocks"]
    whole = [footprint(recipe, PROTOCOL, SEVEN, "whole").memory["compress"] for recipe in (ROUNDED, GPTQ)]
    assert whole[0] <= whole[1]
