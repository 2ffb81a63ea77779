"""Decoding times follow the law that the timed recipes obeyed, by the kernel that reads each layer."""

import pytest

from optlab.predict.speed import Speed, kernel_bytes, layer_read
from optlab.predict.treatment import treatment
from optlab.recipes import Recipe, Step
from tests.predict.states import state, uniform


def rounded(bits: int, group: int | None, symmetric: bool = False) -> Recipe:
    return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group, "symmetric": symmetric}))


def test_each_format_is_read_by_its_kernel() -> None:
    assert layer_read((10, 64), None) == ("dense", 1280)
    assert layer_read((10, 64), {"bits": 4, "group_size": 32, "symmetric": False}) == ("int4", 320 + 80)
    assert layer_read((10, 64), {"bits": 2, "group_size": None, "symmetric": True}) == ("int4", 320 + 40)
    assert layer_read((10, 64), {"bits": 8, "group_size": None, "symmetric": True}) == ("int8", 640 + 40)
    assert layer_read((10, 64), {"bits": 8, "group_size": 32, "symmetric": True})[0] == "dense"


def test_times_are_a_constant_and_bytes_over_a_bandwidth() -> None:
    found = state(blocks=30)
    law = {"dense": 3.0, "int8": 5.0, "int4": 7.0}
    tried = [Recipe(), uniform(4, 32), uniform(4, None)]
    for recipe in tried:
        read = kernel_bytes(found, treatment(found, recipe))
        ms = 2.0 + sum(law[kernel] * size / 1e6 for kernel, size in read.items())
        found.timings.append({"bytes": read, "decode_ms": ms, "low": 0.99 * ms, "high": 1.02 * ms})
    half = Recipe.of(Step("quantize", "rtn", {"bits": 3, "group_size": 32}, r"model\.layers\.1"))
    done = treatment(found, half)
    told = Speed(found)(found, done)
    assert told is not None
    ms, low, high = told
    assert ms == pytest.approx(
        2.0 + sum(law[k] * size / 1e6 for k, size in kernel_bytes(found, done).items()), rel=1e-3
    )
    assert 0 < low < ms < high < 1.1 * ms


def test_without_timings_nothing_is_said() -> None:
    found = state()
    assert Speed(found)(found, treatment(found, uniform(4, 32))) is None
