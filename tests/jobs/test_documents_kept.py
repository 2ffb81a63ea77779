"""Documents that were read are kept within a budget, whatever is asked for in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optlab.jobs.kind import Documents


class Counted:
    """A document that counts how often it is read."""

    read = 0

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def from_json(cls, text: str) -> Counted:
        cls.read += 1
        return cls(text)

    def to_json(self) -> str:
        return self.text


@given(st.lists(st.integers(1, 12).map(lambda length: "x" * length)), st.integers(0, 40))
def test_the_budget_is_kept_and_every_answer_is_of_its_text(asked: list[str], largest: int) -> None:
    kept = Documents(largest)
    for text in asked:
        assert kept.get(Counted, text).text == text
        assert kept.size == sum(len(text) for _, text in kept._known) <= largest
        assert sorted(kept._keys, key=str) == sorted(kept._known, key=str)


def test_what_fits_is_read_once_and_most_of_what_nearly_fits_too() -> None:
    texts = [f"{number:04}" for number in range(1000)]
    for largest, most in ((4000, 1000), (3600, 4000)):  # all fit; nine in ten do
        Counted.read = 0
        kept = Documents(largest)
        for _ in range(10):
            for text in texts:
                kept.get(Counted, text)
        assert Counted.read <= most  # a cache of the least recently used would read all 10,000
