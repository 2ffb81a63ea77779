"""Refitting what stays: the least-squares solution of every row, zeros kept, and less error in the layers and after."""

from pathlib import Path

import pytest
import torch

from optlab.prune.masks import lowest_of_rows
from optlab.prune.refit import refit
from tests.compressing import compressed, prune, tiny
from tests.quantize.test_hessian import second_moments
from tests.tiny import FAMILIES


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def error(W: torch.Tensor, V: torch.Tensor, H: torch.Tensor) -> torch.Tensor:
    return ((W - V) @ H * (W - V)).sum(1)


def test_every_row_is_its_own_least_squares_solution():
    W = torch.randn(7, 12, generator=torch.Generator().manual_seed(0))
    H = second_moments(12)
    zero = lowest_of_rows(W.abs(), 6)
    V = refit(W, H, zero, 0.01)
    damped = (H + 0.01 * H.diagonal().mean() * torch.eye(12)).double()
    for row, gone, found in zip(W.double(), zero, V, strict=True):
        kept = (~gone).nonzero().squeeze(1)
        expected = torch.linalg.solve(damped[kept][:, kept], (damped @ row)[kept])
        assert torch.allclose(found[kept].double(), expected, atol=1e-3)
    assert int(torch.count_nonzero(V[zero])) == 0


def test_a_better_guess_is_never_made_worse():
    W = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    H = second_moments(64)
    zero = lowest_of_rows(W.abs(), 32)
    masked = W.masked_fill(zero, 0.0)
    once = refit(W, H, zero, 0.0)
    again = refit(W, H, zero, 0.0, start=once)
    assert bool((error(W, once, H) < error(W, masked, H)).all())
    assert bool((error(W, again, H) <= error(W, once, H) * (1 + 1e-4)).all())


def test_an_exact_row_stays_as_it_is():
    W = torch.tensor([[1.0, 0.0, 2.0, 0.0]])
    assert torch.equal(refit(W, torch.eye(4), W == 0, 0.1), W)


@pytest.mark.parametrize(
    ("family", "method", "pattern"),
    [
        *((family, "wanda", "unstructured") for family in FAMILIES),
        ("llama", "sparsegpt", "2:4"),
        ("gpt2", "sparsegpt", "2:4"),
    ],
)
def test_in_every_family_outputs_move_less(family, method, pattern, tmp_path):
    model = tiny(family, tmp_path)
    values = {"method": method, "sparsity": 0.5, "pattern": pattern}
    plain, better = (compressed(model, tmp_path, prune(**values, refit=refit)) for refit in (False, True))
    errors = [[layer.output_error for layer in result.layers] for result in (plain, better)]
    assert sum(errors[1]) < sum(errors[0])
    for name in model.linear_names():
        assert float((better.model.weight(name) == 0).float().mean()) >= 0.5
