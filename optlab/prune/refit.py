"""The weights that stay are fitted again, so that a layer with zeros gives what it gave before, as nearly as it can.

Which weights are zero is decided already; each row v of the layer then minimizes (w - v) H (w - v)^T over the weights
it still has, with H the second moments of the inputs. That is least squares with a support of its own per row;
conjugate gradients (Hestenes and Stiefel 1952), for all rows at once and scaled by the diagonal of H, come close in a
dozen products where exact solutions would factor a matrix per row. The weight update of Boza (arXiv 2401.02938) is the
same problem, solved by ADMM.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 12
"""Products with H; on SmolLM2 more of them change the output of a layer by less than its calibration does."""
DAMPING = 0.1
"""Share of the mean energy of the inputs that is added to each, where a method has no damping of its own."""


def refit(W: Tensor, H: Tensor, zero: Tensor, damping: float, start: Tensor | None = None) -> Tensor:
    """V [out, in] float32, 0 where `zero` (bool [out, in]), whose outputs are near those of W [out, in].

    H [in, in]: mean of x x^T over the inputs; damping: share of its mean diagonal that is added. start: a first guess
    with the same zeros; default W itself. The result never has a larger error than the guess.
    """
    kept = (~zero).float()
    level = float(H.diagonal().mean()) or 1.0
    H = H + damping * level * torch.eye(len(H), device=H.device)
    scale = H.diagonal().clamp(min=1e-12)
    V = (W if start is None else start) * kept
    residual = ((W - V) @ H) * kept
    direction = residual / scale
    size = (residual * direction).sum(1, keepdim=True)
    for _ in range(STEPS):
        product = (direction @ H) * kept
        # A row that is already exact has no direction left; it must not become 0 / 0.
        step = size / (direction * product).sum(1, keepdim=True).clamp(min=1e-30)
        V = V + step * direction
        residual = residual - step * product
        scaled = residual / scale
        before, size = size, (residual * scaled).sum(1, keepdim=True)
        direction = scaled + size / before.clamp(min=1e-30) * direction
    return V
