"""Decoding times follow the law that the timed recipes obeyed, by the kernel that reads each layer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.kernels.rule import KERNELS, NATIVE_PATH, Loop
from optlab.prediction.levels import family_key
from optlab.prediction.speed import Speed, SpeedModel, TimedRatio, kernel_bytes
from optlab.prediction.state import State
from optlab.prediction.timing import disturbed, timed_recipes
from optlab.prediction.treatment import treatment
from optlab.recipes import Recipe, Step
from optlab.results.environment import Environment
from optlab.results.probe import SpeedAnchors, TimedRecipe
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


LAW = {"dense": 3.0, "int8": 5.0, "int4": 7.0}
TIMED = [Recipe(), uniform(4, 32), uniform(4, None), uniform(8, 32)]


def ms(found: State, recipe: Recipe) -> float:
    """2 ms, and for every kernel so many ms for each million bytes."""
    sizes = kernel_bytes(found, treatment(found, recipe), "native")
    return 2.0 + sum(LAW.get(kernel, 0.0) * size / 1e6 for kernel, size in sizes.items())


def timed(found: State, recipes: list[Recipe], slower: float = 1.0, load: float = 0.0) -> SpeedAnchors:
    """What a machine that obeys the law, `slower` times as slow, timed of these recipes."""
    rows = [
        TimedRecipe(recipe=recipe, decode_ms=slower * ms(found, recipe), low=0.99 * slower * ms(found, recipe),
                    high=1.02 * slower * ms(found, recipe))
        for recipe in recipes
    ]  # fmt: skip
    return SpeedAnchors(fingerprint="f" * 64, dtype="bfloat16", path=NATIVE_PATH, timed=tuple(rows), made=1.0,
                        machine=Environment(cores=2, load=load))  # fmt: skip


def told(found: State, model: SpeedModel, recipe: Recipe) -> Speed:
    speed = model(treatment(found, recipe))
    assert speed is not None
    return speed


def measured(found: State, recipe: Recipe, slower: float, finished: float = 2.0) -> TimedRatio:
    """A measurement in an hour in which the machine was `slower` times as slow, for original and recipe alike."""
    ratio = ms(found, recipe) / ms(found, Recipe())
    return TimedRatio(recipe, ratio, ratio, ratio, slower * ms(found, Recipe()), finished, NATIVE_PATH)


def test_what_no_timed_recipe_ran_on_has_no_time() -> None:
    found = state(blocks=30)
    model = SpeedModel(found, timed(found, TIMED[:2]))
    assert model(treatment(found, uniform(3, None))) is not None
    assert model(treatment(found, uniform(8, None))) is None


def test_times_are_a_constant_and_bytes_over_a_bandwidth() -> None:
    found = state(blocks=30)
    half = Recipe.of(Step("quantize", "rtn", {"bits": 3, "group_size": 32}, r"model\.layers\.1"))
    speed = told(found, SpeedModel(found, timed(found, TIMED)), half)
    assert speed.ms == pytest.approx(ms(found, half), rel=1e-3)
    low, high = speed.ms_band90
    assert 0 < low < speed.ms < high < 1.1 * speed.ms
    assert speed.speedup == pytest.approx(ms(found, Recipe()) / ms(found, half), rel=1e-3)


def test_the_original_is_exactly_as_fast_as_itself() -> None:
    found = state(blocks=30)
    assert told(found, SpeedModel(found, timed(found, TIMED)), Recipe()).ratio == 1.0


@given(slower=st.floats(0.04, 25.0))
def test_a_machine_that_is_slower_for_all_changes_no_ratio(slower: float) -> None:
    """Anchors timed under load said 3.5 ms beside a measured 0.15 ms; the ratio to their own original was right."""
    found, recipe = state(blocks=30), uniform(3, 64)
    usual, loaded = (told(found, SpeedModel(found, timed(found, TIMED, factor)), recipe) for factor in (1.0, slower))
    assert loaded.ratio == pytest.approx(usual.ratio)
    assert loaded.ms == pytest.approx(slower * usual.ms)


def test_the_original_timed_anew_anchors_all_times_again() -> None:
    found, recipe = state(blocks=30), uniform(3, 64)
    slow = timed(found, TIMED, slower=23.0)
    assert told(found, SpeedModel(found, slow), recipe).ms > 20 * ms(found, recipe)
    again = SpeedModel(found, slow, [measured(found, uniform(4, 64), 1.0), measured(found, uniform(4, 64), 9.0, 0.5)])
    assert told(found, again, recipe).ms == pytest.approx(ms(found, recipe), rel=0.02)


def test_what_was_timed_on_the_other_loop_teaches_nothing() -> None:
    found, recipe = state(blocks=30), uniform(3, 64)
    other = replace(measured(found, recipe, 5.0), path="torch's operators", ratio=9.0)
    with_it, without = (told(found, SpeedModel(found, timed(found, TIMED), more), recipe) for more in ([other], []))
    assert with_it == without


def test_without_timings_nothing_is_said() -> None:
    found = state()
    assert SpeedModel(found, None)(treatment(found, uniform(4, 32))) is None
    assert SpeedModel(found, None, [measured(found, uniform(4, 32), 1.0)])(treatment(found, uniform(4, 32))) is None


def test_a_timing_under_load_or_with_a_spread_is_disturbed() -> None:
    found = state()
    quiet = timed(found, TIMED)
    assert not disturbed(quiet)
    assert disturbed(timed(found, TIMED, load=1.5))
    first = quiet.timed[0]
    jumped = first.model_copy(update={"high": 1.6 * first.decode_ms})
    assert disturbed(quiet.model_copy(update={"timed": (jumped, *quiet.timed[1:])}))


@pytest.mark.parametrize("group", [64, None])
def test_each_recipe_is_timed_once_whether_or_not_the_widths_have_a_common_group(group: int | None) -> None:
    found = state()
    table = next(table for key, table in found.tables.items() if key.startswith("quantize rtn"))
    table.levels = [{**level, "group_size": group} for level in table.levels]
    recipes = timed_recipes(found)
    assert len({recipe.describe() for recipe in recipes}) == len(recipes) == (4 if group else 3)
