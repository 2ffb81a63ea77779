"""Addresses that nobody's browser would write: the view they name is usable, and says what it left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report.links import STOP
from pages.components.shared import view
from pages.components.shared.view import KEYS, read

HOSTILE = {
    "model": "m" * 1_000_000, "recipe": "[" * 19_000, "tokens": "9" * 5000, "context": "1e400", "dtype": "\ud800",
    "seed": "-1", STOP: "nan", "text": "x" * 5000, "bos": "\0", "latency": "maybe",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_makes_no_sense_becomes_its_default_with_a_word(name: str) -> None:
    view = read({"model": "nano"} | {name: HOSTILE[name]})
    assert view.problem or name == "model"
    assert len(view.problem) < 5000
    assert view.protocol == Protocol() and view.recipe == Recipe()


def test_an_expression_that_hangs_python_is_answered() -> None:
    view = read({"recipe": '[{"quantize": {"bits": 4}, "layers": "(([a-z.0-9_]+)+)+!"}]'})
    assert not view.recipe.steps[0].matches("model.layers.0.self_attn.q_proj" * 20)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=200), max_size=4))
def test_any_address_names_a_view(query: dict[str, str]) -> None:
    assert read(query).model


@pytest.mark.parametrize(
    ("query", "too_long"),
    [
        ({"recipe": "x" * view.LONGEST}, False),
        ({"recipe": "x" * (view.LONGEST + 1)}, True),
        ({"recipe": "\u00e9" * 11_000}, True),  # six characters each in an address
    ],
)
def test_a_link_that_would_not_open_is_known_before_it_is_sent(query: dict[str, str], too_long: bool) -> None:
    assert view.too_long(query) is too_long
