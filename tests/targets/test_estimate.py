"""What another device would make of a model: memory is a sum, speed a roofline with a band, and neither is timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.errors import ModelError, OptLabError
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import Description, describe
from optlab.recipes import Recipe, Step
from optlab.results.environment import Environment
from optlab.results.estimate import TargetEstimates
from optlab.results.latency import Latency, TimedPair
from optlab.targets.devices import DEVICES, Device, device, own
from optlab.targets.estimate import estimates
from optlab.targets.observed import EPYC, SHIPPED, Timing, shares, timings_of
from tests.tiny import tiny_model_folder

ROUNDED = Recipe.of(Step("quantize", "rtn", {"bits": 4, "group_size": 16}))
SLOW = own(1, 1e-5)
"""So slow that even a tiny model takes milliseconds, as those do that were timed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model_folder("llama", tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture(scope="module")
def description(folder: Path) -> Description:
    return describe(str(folder))


def estimated(description: Description, folder: Path, recipe: Recipe, *devices: Device) -> TargetEstimates:
    return estimates(description, open_checkpoint(folder).config, recipe, 32, [], devices)


def test_a_model_fits_to_the_byte(description: Description, folder: Path) -> None:
    found = estimated(description, folder, Recipe(), own(1, 1))
    assert found.weight_bytes == description.size_bytes - _headers(folder)
    needed = found.weight_bytes + found.cache_bytes
    room, tight = own(needed / 1e9, 1e-5), own((needed - 1) / 1e9, 1e-5)
    fits, not_quite = estimated(description, folder, Recipe(), room, tight).targets
    assert (fits.left_bytes, fits.fits) == (0, True) and fits.tokens is not None
    assert (not_quite.left_bytes, not_quite.fits) == (-1, False) and not_quite.tokens is None


def _headers(folder: Path) -> int:
    return sum(int.from_bytes(file.read_bytes()[:8], "little") + 8 for file in folder.glob("*.safetensors"))


def test_speed_is_the_roofline_times_what_was_reached(description: Description, folder: Path) -> None:
    found = estimated(description, folder, Recipe(), SLOW)
    (one,) = found.targets
    embedding = next(layer for layer in description.layers if layer.kind == "embedding")
    assert found.read_bytes == found.weight_bytes - embedding.bytes + found.cache_bytes
    roofline = SLOW.bandwidth / found.read_bytes
    reached = shares([], packed=False, roofline_ms=1000 / roofline)
    assert one.tokens is not None and reached is not None
    assert one.tokens.per_s == pytest.approx(roofline * reached.middle)
    assert one.tokens.band == pytest.approx((roofline * reached.low, roofline * reached.high))
    assert one.tokens.machines == 2


def test_arithmetic_bounds_where_memory_does_not(description: Description, folder: Path) -> None:
    slow = own(1, 1e-5, 1e-12)
    (one,) = estimated(description, folder, Recipe(), slow).targets
    (free,) = estimated(description, folder, Recipe(), SLOW).targets
    assert one.tokens is not None and free.tokens is not None and one.tokens.per_s < free.tokens.per_s


def test_fewer_bits_take_less_memory_and_less_time(description: Description, folder: Path) -> None:
    whole, packed = (estimated(description, folder, recipe, SLOW) for recipe in (Recipe(), ROUNDED))
    assert packed.weight_bytes < whole.weight_bytes and packed.read_bytes < whole.read_bytes


def test_a_context_beyond_the_model_is_refused(description: Description, folder: Path) -> None:
    with pytest.raises(ModelError, match="use a context of 64 or less"):
        estimates(description, open_checkpoint(folder).config, Recipe(), 65, [])


def test_a_token_shorter_than_all_that_were_timed_is_not_estimated() -> None:
    assert shares([], packed=True, roofline_ms=0.001) is None


def test_the_band_holds_what_was_timed_near_by() -> None:
    found = shares([Timing("here", True, 4.0, 40.0), Timing("cached", True, 4.0, 2.0)], packed=True, roofline_ms=4.0)
    assert found is not None and found.low == 0.1
    near = [one for one in SHIPPED if one.packed and 0.4 <= one.roofline_ms <= 40]
    assert found.timings == 1 + len(near)  # what came from a processor's cache says nothing of memory
    assert found.high == max(one.share for one in near) and any(one.machine == EPYC for one in near)


def test_measurements_with_a_bandwidth_become_timings() -> None:
    def side(weights: int) -> Latency:
        return Latency(decode_ms=10.0, decode_ms_p5=9.0, decode_ms_p95=11.0, prefill_tokens_per_s=1.0, path="path",
                       prompt_tokens=10, new_tokens=20, bytes_per_token=weights, bytes_per_position=1000)  # fmt: skip

    pair = TimedPair(base=side(400_000), candidate=side(100_000))
    here = Environment(processor="here", read_bytes_per_s=1e8)
    found = timings_of([(pair, here), (pair, Environment()), (None, here)])
    assert found == [Timing("here", False, 4.2, 10.0), Timing("here", True, 1.2, 10.0)]


def test_devices_have_names_of_their_own_and_a_source() -> None:
    assert len({one.name for one in DEVICES}) == len(DEVICES) >= 15
    assert {one.kind for one in DEVICES} == {"card", "laptop", "phone", "board"}
    assert all(one.source and one.bandwidth > 1e9 and one.memory_bytes > 1e9 for one in DEVICES)
    assert device("PI5").title.startswith("Raspberry Pi 5")


@pytest.mark.parametrize("numbers", [(0, 1), (1, -1), (1, float("nan")), (1, 1, 0.0)])
def test_numbers_of_ones_own_are_above_0(numbers: tuple[float, ...]) -> None:
    with pytest.raises(OptLabError, match="above 0"):
        own(*numbers)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(OptLabError, match="no target 'toaster'"):
        device("toaster")
