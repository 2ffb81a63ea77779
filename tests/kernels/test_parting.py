"""The words at which two texts part come with the probabilities that softmax gives them."""

from types import SimpleNamespace

import pytest
import torch

from optlab.kernels.parting import parting


def test_probabilities_are_those_of_softmax_and_the_chosen_come_first() -> None:
    base = torch.log(torch.tensor([0.1, 0.6, 0.3, 0.0]))
    candidate = torch.log(torch.tensor([0.2, 0.3, 0.5, 0.0]))
    found = parting(7, base, candidate, (1, 2), SimpleNamespace(decode=lambda ids: "abcd"[ids[0]]))
    assert found.position == 7
    assert [row.text for row in found.tokens] == ["b", "c", "a", "d"]
    assert [row.chosen_by for row in found.tokens] == [("base",), ("candidate",), (), ()]
    assert [row.base for row in found.tokens] == pytest.approx([0.6, 0.3, 0.1, 0.0])
    assert [row.candidate for row in found.tokens] == pytest.approx([0.3, 0.5, 0.2, 0.0])
