"""What is recommended keeps the rule at the unfavourable end, and everything else is told why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.advice.candidate import Candidate
from optlab.advice.recommendation import RULE, recommend
from optlab.advice.wish import breaks
from optlab.i18n import use
from optlab.jobs.measured import MeasuredRun
from optlab.report import decision
from tests.pages import samples

LIMIT = 1 + (RULE.worse_percent or 0) / 100


def runs(*measured: tuple[float, int]) -> list[MeasuredRun]:
    """Finished measurements of (perplexity ratio, bytes)."""
    return [samples.measured_run(number, ratio, size) for number, (ratio, size) in enumerate(measured, 1)]


def test_the_smallest_that_surely_keeps_the_limit() -> None:
    # the sample's interval is 1% of the ratio to either side, so 4.5% may be 5.5%
    found = recommend(runs((1.02, 9_000_000), (1.03, 7_000_000), (1.045, 6_000_000), (1.5, 4_000_000)))
    assert found.chosen is not None and found.chosen.run == 2
    assert found.headline.startswith("Ship #2 ")
    assert found.reasons[0] == "7.00 MB on disk, 2.9 x smaller than the original"
    told = {one.run: why for one, why in found.others}
    assert told == {
        1: "keeps the limit, but is 2.00 MB larger", 3: "4.5% worse, perhaps +5.5%", 4: "50.0% worse, perhaps +51.5%",
    }  # fmt: skip


def test_where_nothing_keeps_it_the_original_stays() -> None:
    found = recommend(runs((1.2, 5_000_000), (1.5, 4_000_000)))
    assert found.chosen is None and found.headline == "Keep the original for now"
    assert found.reasons[0] == "none of 2 recipes keeps that limit"
    assert len(found.others) == 2


def test_names_of_strangers_stay_text() -> None:
    evil = "<script>alert(1)</script>"
    (run,) = runs((1.02, 9_000_000))
    found = recommend([run])
    assert found.chosen is not None
    forged = type(found)(Candidate(**{**vars(found.chosen), "title": evil}), None, (evil,), ())
    assert evil not in decision.html(forged) and "&lt;script&gt;" in decision.html(forged)


@given(st.lists(st.tuples(st.floats(0.9, 3.0), st.integers(1_000_000, 19_000_000)), min_size=1, max_size=8))
def test_nothing_smaller_keeps_the_rule(measured: list[tuple[float, int]]) -> None:
    found = recommend(runs(*measured))
    sure = [size for ratio, size in measured if ratio * 1.01 <= LIMIT * (1 - 1e-12)]
    if found.chosen is None:
        assert not sure
    else:
        assert not breaks(RULE, found.chosen)
        assert found.chosen.size_bytes == min([found.chosen.size_bytes, *sure])
    assert len(found.others) == len(measured) - (found.chosen is not None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_sentence_is_in_the_language_of_the_reader(language: str) -> None:
    use(language)
    try:
        shown = decision.html(recommend(runs((1.02, 9_000_000), (1.5, 4_000_000))))
    finally:
        use("en")
    assert ("Recommendation" in shown) == (language == "en")
    assert ("Not chosen" in shown) == (language == "en")
