"""Mixtures of experts whose every matrix is a linear layer with a name, so that a recipe treats it like any other.

transformers keeps the experts of a block in two 3-D parameters (all gate and up matrices, all down matrices), which no
method for linear layers can see. `separate` replaces each such module by `SeparateExperts`, which computes the same
sum from one small MLP per expert: `experts.3.gate_proj`, `experts.3.up_proj`, `experts.3.down_proj`, the names most
checkpoints use. An expert's layers read exactly the tokens that the router sends it, so what is learned about their
inputs from a calibration text is that expert's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Expert(nn.Module):
    """One expert's linear layers; `gate_proj` is None where the family's experts have no gate."""

    def __init__(self, up: nn.Linear, down: nn.Linear, gate: nn.Linear | None) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = gate, up, down


class SeparateExperts(nn.Module):
    """y = sum over the chosen experts of their weight times down(act(gate x, up x)); children "0", "1", ...: `Expert`s.

    rule: transformers' module without its 3-D parameters, which still says how gate and up are joined.
    """

    def __init__(self, fused: Any) -> None:
        super().__init__()
        self.count = int(fused.down_proj.shape[0])
        for number in range(self.count):
            self.add_module(str(number), _expert(fused, number))
        for name in ("gate_up_proj", "up_proj", "down_proj", "gate_up_proj_bias", "up_proj_bias", "down_proj_bias"):
            if name in fused._parameters:
                del fused._parameters[name]
        self.rule = fused

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """hidden_states [N, D]; top_k_index [N, k], long: which experts; top_k_weights [N, k]. Returns [N, D]."""
        total = torch.zeros(hidden_states.shape, dtype=torch.float32, device=hidden_states.device)
        for number in top_k_index.unique().tolist():
            if number >= self.count:  # a family's way to say: none
                continue
            token, place = torch.where(top_k_index == number)
            y = self._one(self.get_submodule(str(number)), hidden_states[token])
            total.index_add_(0, token, (y * top_k_weights[token, place, None]).float())
        return total.to(hidden_states.dtype)

    def _one(self, expert: Any, x: Tensor) -> Tensor:
        up = expert.up_proj(x)
        if expert.gate_proj is None:
            joined = self.rule.act_fn(up)
        else:
            gate = expert.gate_proj(x)
            together = (gate, up)
            joined = self.rule._apply_gate(
                torch.cat(together, -1) if self.rule.is_concatenated else torch.stack(together, -1).flatten(-2)
            )
        y: Tensor = expert.down_proj(joined)
        return self.rule.post_expert_norm(y) if self.rule.has_post_expert_norm else y


def is_fused(module: nn.Module) -> bool:
    """Whether it keeps experts as transformers does since version 5, in a layout that it describes."""
    down = module._parameters.get("down_proj")
    up = module._parameters.get("gate_up_proj", module._parameters.get("up_proj"))
    return down is not None and up is not None and down.ndim == up.ndim == 3 and hasattr(module, "is_concatenated")


def separate(model: nn.Module) -> nn.Module:
    """`model` with all fused experts replaced, in place. Weights become views of what the parameters held."""
    for name, module in list(model.named_modules()):
        if is_fused(module):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, SeparateExperts(module))
    return model


def _expert(fused: Any, number: int) -> Expert:
    down = _linear(fused, "down_proj", number)
    if not fused.has_gate:
        return Expert(_linear(fused, "up_proj", number), down, None)
    half = (fused.gate_up_proj.shape[1 + bool(fused.is_transposed)]) // 2
    parts = (slice(0, half), slice(half, None)) if fused.is_concatenated else (slice(0, None, 2), slice(1, None, 2))
    gate, up = (_linear(fused, "gate_up_proj", number, rows) for rows in parts)
    return Expert(up, down, gate)


def _linear(fused: Any, name: str, number: int, rows: slice = slice(None)) -> nn.Linear:
    """The linear layer of some outputs of one expert's matrix."""
    kept = getattr(fused, name).detach()[number]
    weight = (kept.T if fused.is_transposed else kept)[rows].contiguous()
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(fused.has_bias), device="meta")
    layer.weight = nn.Parameter(weight)
    if fused.has_bias:
        layer.bias = nn.Parameter(getattr(fused, f"{name}_bias").detach()[number, rows].contiguous())
    return layer
