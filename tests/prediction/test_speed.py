"""Decoding times follow the law that the timed recipes obeyed, by the kernel that reads each layer."""

import pytest

from optlab.kernels.rule import KERNELS, NATIVE_PATH, Loop
from optlab.prediction.levels import family_key
from optlab.prediction.speed import Speed, kernel_bytes
from optlab.prediction.state import State
from optlab.prediction.treatment import treatment
from optlab.recipes import Recipe, Step
from tests.prediction.states import state, uniform


def rounded(bits: int, group: int | None, symmetric: bool = False) -> Recipe:
    return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group, "symmetric": symmetric}))


def read(loop: Loop, *recipe: Recipe) -> list[str]:
    """The kernels that read the layers of each recipe."""
    found = state(blocks=1)
    for one in recipe:
        found.tables.setdefault(str(family_key(one.steps[0])), next(iter(found.tables.values())))
    counted = [kernel_bytes(found, treatment(found, one), loop) for one in recipe]
    return [" ".join(kernel for kernel in KERNELS if sizes[kernel]) for sizes in counted]


def test_each_format_is_read_by_the_kernel_of_its_loop() -> None:
    formats = rounded(4, 32), rounded(2, None, True), rounded(8, None, True), rounded(8, 32), rounded(8, None)
    assert read("native", *formats) == ["int4", "int4", "int8", "int8", "int8"]
    assert read("torch", *formats) == ["int4", "int4", "int8", "dense", "dense"]


def test_bytes_are_those_of_codes_scales_and_offsets() -> None:
    found = state(blocks=1)  # 64 x 64, 128 x 64 and 64 x 128
    weights, rows = 64 * 64 + 2 * 128 * 64, 64 + 128 + 64
    assert kernel_bytes(found, treatment(found, Recipe()), "native")["dense"] == 2 * weights
    assert kernel_bytes(found, treatment(found, rounded(4, 32)), "native")["int4"] == weights / 2 + 4 * weights / 32
    assert kernel_bytes(found, treatment(found, rounded(8, None)), "native")["int8"] == weights + 4 * rows


def test_what_no_timed_recipe_ran_on_has_no_time() -> None:
    found = timed([Recipe(), uniform(4, 32)], {"dense": 3.0, "int4": 7.0})
    assert Speed(found)(found, treatment(found, uniform(3, None))) is not None
    assert Speed(found)(found, treatment(found, uniform(8, None))) is None


def timed(recipes: list[Recipe], law: dict[str, float]) -> State:
    """A model whose tokens take 2 ms and, for every kernel, so many ms for each million bytes."""
    found = state(blocks=30)
    for recipe in recipes:
        sizes = kernel_bytes(found, treatment(found, recipe), "native")
        ms = 2.0 + sum(law.get(kernel, 0.0) * size / 1e6 for kernel, size in sizes.items())
        found.timings.append(
            {"bytes": sizes, "decode_ms": ms, "low": 0.99 * ms, "high": 1.02 * ms, "path": NATIVE_PATH}
        )
    return found


def test_times_are_a_constant_and_bytes_over_a_bandwidth() -> None:
    law = {"dense": 3.0, "int8": 5.0, "int4": 7.0}
    found = timed([Recipe(), uniform(4, 32), uniform(4, None), uniform(8, 32)], law)
    half = Recipe.of(Step("quantize", "rtn", {"bits": 3, "group_size": 32}, r"model\.layers\.1"))
    done = treatment(found, half)
    told = Speed(found)(found, done)
    assert told is not None
    ms, low, high = told
    expected = 2.0 + sum(law.get(k, 0.0) * size / 1e6 for k, size in kernel_bytes(found, done, "native").items())
    assert ms == pytest.approx(expected, rel=1e-3)
    assert 0 < low < ms < high < 1.1 * ms


def test_without_timings_nothing_is_said() -> None:
    found = state()
    assert Speed(found)(found, treatment(found, uniform(4, 32))) is None
