"""The table in docs/models.md is about all families that our Transformer computes, and says what is so."""

from __future__ import annotations

import pytest

from optlab.models.architectures import ARCHITECTURES
from scripts.verify_families import TINY, stated, verify


def test_the_table_names_every_family() -> None:
    assert set(stated()) == set(TINY) == set(ARCHITECTURES)
    assert max(stated().values()) < 1e-4


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_what_the_table_says_is_so(family: str) -> None:
    found = verify(family)
    assert found.logits < 1e-4
    assert 0 < found.usual < 0.05
    if found.native is not None:
        assert 0 < found.native < 1.2 * found.usual
