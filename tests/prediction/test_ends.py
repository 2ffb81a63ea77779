"""What rounding an embedding or a head costs is read off between the few levels that were measured, and not beyond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.prediction.ends import BITS, MIDDLE, end_damage, probed_levels
from optlab.prediction.levels import families
from optlab.results.probe import EndDamage

WIDTH, USUAL = 512, 64


def law(family: str, bits: int, group: int | None) -> float:
    """Four times less with every bit, a power of the group size, and a factor for the way of rounding."""
    return {"rtn": 0.7, "gptq": 0.4}[family] * 4.0**-bits * float(group or WIDTH) ** 0.6


def one(family: str, bits: int, group: int | None) -> EndDamage:
    return EndDamage(name="head", family=family, bits=bits, group_size=group, kl=law(family, bits, group))


KNOWN = [*(one("rtn", bits, USUAL) for bits in BITS), one("rtn", MIDDLE, None), one("gptq", MIDDLE, USUAL)]


@given(
    family=st.sampled_from(["rtn", "gptq"]),
    bits=st.integers(BITS[0], BITS[-1]),
    group=st.sampled_from([32, 64, 128, 256, None]),
)
def test_where_damage_follows_its_powers_a_few_levels_say_all(family: str, bits: int, group: int | None) -> None:
    assert end_damage(KNOWN, family, bits, group, WIDTH) == pytest.approx(law(family, bits, group))


@pytest.mark.parametrize(("family", "bits", "group"), [("rtn", 1, 64), ("rtn", 9, 64), ("rtn", 4, 16), ("nf4", 4, 64)])
def test_nothing_is_said_beyond_what_was_measured(family: str, bits: int, group: int) -> None:
    assert end_damage(KNOWN, family, bits, group, WIDTH) is None


def test_nothing_is_said_of_an_end_that_was_not_measured() -> None:
    assert end_damage([], "rtn", 4, 64, WIDTH) is None


def test_a_way_of_rounding_that_was_not_tried_on_rows_is_not_guessed_there() -> None:
    alone = [one("rtn", bits, USUAL) for bits in BITS]
    assert end_damage(alone, "rtn", 4, None, WIDTH) is None


def test_every_probed_quantization_is_tried_on_an_end() -> None:
    wanted = families([WIDTH, WIDTH])
    levels = probed_levels(wanted)
    assert {family.key for family, _ in levels} == {family.key for family in wanted if family.kind == "quantize"}
    assert all(family.levels[level]["bits"] in BITS for family, level in levels)
