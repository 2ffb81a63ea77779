"""Selecting the smallest of many scores, against sorting all of them."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.prune.selection import smallest


def by_sorting(scores: list[torch.Tensor], k: int) -> list[torch.Tensor]:
    flat = torch.cat([score.flatten() for score in scores])
    chosen = torch.zeros(len(flat), dtype=torch.bool)
    chosen[flat.argsort(stable=True)[:k]] = True
    parts = chosen.split([score.numel() for score in scores])
    return [part.view(score.shape) for part, score in zip(parts, scores, strict=True)]


@settings(deadline=None, max_examples=60)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    share=st.floats(0, 1.1),
    distinct=st.sampled_from([2, 5, 1000]),
    magnitude=st.sampled_from([1e-30, 1.0, 1e30]),
    seed=st.integers(0, 1000),
)
def test_the_choice_is_that_of_a_stable_sort(shapes, share, distinct, magnitude, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = [torch.randint(0, distinct, shape, generator=generator) * magnitude for shape in shapes]
    k = int(share * sum(score.numel() for score in scores))
    masks = list(smallest(lambda i: scores[i], len(scores), k))
    for mask, expected in zip(masks, by_sorting(scores, k), strict=True):
        assert torch.equal(mask, expected)


def test_ten_million_equal_scores_give_exactly_k():
    scores = torch.full((1000, 10_000), 0.5)
    (mask,) = smallest(lambda _: scores, 1, 1_234_567)
    assert int(mask.sum()) == 1_234_567
    assert bool(mask.flatten()[:1_234_567].all())
