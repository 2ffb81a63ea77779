"""The loss by pieces against the loss of everything at once, in float64."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from optlab.distill.head import by_pieces, head_parameters
from optlab.distill.losses import forward_kl, jensen_shannon, reverse_kl
from optlab.models import load
from tests.tiny import tiny_model_folder


@pytest.mark.parametrize("soft", [forward_kl, reverse_kl, jensen_shannon])
@pytest.mark.parametrize("rows", [1, 4, 7, 100])
def test_by_pieces_is_the_loss_and_gradient_of_the_whole(soft, rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, weight, teacher = (torch.randn(n, m, generator=generator).double() for n, m in ((11, 5), (9, 5), (11, 9)))
    true = torch.randint(0, 9, (11,), generator=generator)

    def loss(hidden: torch.Tensor, weight: torch.Tensor, place: slice = slice(None)) -> torch.Tensor:
        logits = hidden @ weight.T
        return 0.3 * F.cross_entropy(logits, true[place]) + 0.7 * soft(logits, teacher[place], 2.0)

    whole = (hidden.clone().requires_grad_(), weight.clone().requires_grad_())
    expected = loss(*whole)
    (3.0 * expected).backward()  # what comes behind scales what is in front
    own = (hidden.clone().requires_grad_(), weight.clone().requires_grad_())
    found = by_pieces(own[0], [own[1]], lambda piece, place: loss(piece, own[1], place), rows)
    (3.0 * found).backward()
    torch.testing.assert_close(found, expected.detach())
    for mine, reference in zip(own, whole, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad)


def test_without_gradients_only_the_loss_is_made() -> None:
    hidden = torch.arange(6.0)[:, None]
    with torch.no_grad():
        found = by_pieces(hidden, (), lambda piece, place: piece.mean(), 4)
    assert found == 2.5 and not found.requires_grad


@pytest.mark.parametrize(("family", "names"), [
    ("llama", {"lm_head.weight"}), ("qwen2", {"model.embed_tokens.weight"}), ("gpt2", {"transformer.wte.weight"}),
])  # fmt: skip
def test_the_heads_own_parameters_are_found(family: str, names: set[str], tmp_path: Path) -> None:
    model = load(str(tiny_model_folder(family, tmp_path)))
    for parameter in model.module.parameters():
        parameter.requires_grad_(True)
    found = {id(one) for one in head_parameters(model)}
    assert {name for name, one in model.module.named_parameters() if id(one) in found} == names
