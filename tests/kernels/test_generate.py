"""Tokens drawn where the probabilities lie are drawn with those probabilities."""

import torch

from optlab.kernels.generate import drawn


def test_every_token_is_drawn_as_often_as_its_probability_says() -> None:
    p = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    generator = torch.Generator().manual_seed(0)
    counts = torch.bincount(torch.tensor([drawn(p, generator) for _ in range(4000)]), minlength=6)
    assert counts[p == 0].sum() == 0
    # four standard deviations of a binomial share
    assert ((counts / 4000 - p).abs() <= 4 * (p * (1 - p) / 4000).sqrt()).all()


def test_a_seed_draws_the_same_tokens_again() -> None:
    p = torch.softmax(torch.randn(1000, generator=torch.Generator().manual_seed(1)), dim=-1)
    first, second = (
        [drawn(p, generator) for _ in range(50)] for generator in (torch.Generator().manual_seed(7) for _ in range(2))
    )
    assert first == second
