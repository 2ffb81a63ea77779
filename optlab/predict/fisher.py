"""How sensitive a model is to a change of the weights of each layer: the Fisher information, in Kronecker factors.

The divergence that a change D of a weight W [out, in] causes is, to second order, half the quadratic form of the Fisher
matrix of that layer, KL(D) = 1/2 E[(g^T D x)^2], with x the input of the layer at a token and g the gradient of the
loss by its output, the labels sampled from the model's own predictions. Two factors replace the expectation:

    KL(D) = 1/2 tr(G D A D^T)      G = E[g g^T],  A = E[|g|^2 x x^T] / E[|g|^2]

(Martens and Grosse, arXiv 1503.05671, section 3.) Weighting the tokens of A by |g|^2 is the one difference to that
paper: the huge inputs at the first token of a window, on which hardly any prediction depends, would otherwise decide.

What is kept: A and G in float32, (in^2 + out^2) * 4 bytes per layer, of as many blocks at once as fit into
`LARGEST_BYTES`; a larger model is passed over the text once for every such group of blocks, and the caller is done with
one group before the next begins. SmolLM2-135M takes one pass and 1.2 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from optlab.models.language_model import LanguageModel
from optlab.progress import Progress, silent

LARGEST_BYTES = 2 << 30


@dataclass
class Factors:
    """Running sums of one layer. gram: sum of |g|^2 x x^T; gradients: sum of g g^T; float32."""

    gram: Tensor
    gradients: Tensor
    weight: float = 0.0
    tokens: int = 0

    def add(self, x: Tensor, g: Tensor) -> None:
        """x [..., in], g [..., out]: inputs of the layer, gradients of the summed loss by its outputs."""
        X, Y = x.reshape(-1, x.shape[-1]).float(), g.reshape(-1, g.shape[-1]).float()
        energy = Y.square().sum(1, keepdim=True)
        self.gram.addmm_((X * energy).T, X)
        self.gradients.addmm_(Y.T, Y)
        self.weight += float(energy.sum())
        self.tokens += len(X)

    def settled(self) -> Sensitivity:
        """The means, once all tokens were added."""
        return Sensitivity(self.gram / max(self.weight, 1e-30), self.gradients / max(self.tokens, 1))


@dataclass(frozen=True)
class Sensitivity:
    """A [in, in] and G [out, out] of one layer (see the module), float32."""

    A: Tensor
    G: Tensor

    def damage(self, D: Tensor) -> float:
        """1/2 tr(G D A D^T) of a change D [out, in] of the weight: nats per token."""
        left, right = self.G.to(D.dtype) @ D, D @ self.A.to(D.dtype)
        return max(0.5 * float((left.float() * right.float()).sum()), 0.0)


@dataclass
class Recorder:
    """Hooks that hand the inputs of linear layers and the gradients of their outputs to `Factors`."""

    layers: dict[str, nn.Module]
    factors: dict[str, Factors]
    _handles: list[Any] = field(default_factory=list)

    def __enter__(self) -> Recorder:
        self._handles = [module.register_forward_hook(self._hook(name)) for name, module in self.layers.items()]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
            x = args[0].detach()
            out.register_hook(lambda g: self.factors[name].add(x, g))

        return hook


def sensitivities(
    model: LanguageModel, batches: list[Tensor], seed: int = 0, progress: Progress = silent
) -> Iterator[dict[str, Sensitivity]]:
    """Sensitivity of every linear layer of the blocks, by name, one group of blocks after another.

    model: float32, not changed. batches: token ids [B, T] of text that nothing is evaluated on. Raises Cancelled.
    """
    groups = in_groups(model)
    for number, names in enumerate(groups):
        shapes = {name: model.weight(name).shape for name in names}
        factors = {
            name: Factors(*(torch.zeros(size, size, device=model.device) for size in (columns, rows)))
            for name, (rows, columns) in shapes.items()
        }
        generator = torch.Generator(device=model.device).manual_seed(seed)
        with _frozen(model), Recorder({name: model.module_named(name) for name in names}, factors):
            for done, ids in enumerate(batches):
                progress((number + done / len(batches)) / len(groups), "learning how sensitive each layer is")
                _backward(model, ids.to(model.device), generator)
        yield {name: found.settled() for name, found in factors.items()}


def in_groups(model: LanguageModel) -> list[list[str]]:
    """The linear layers in groups whose factors fit into `LARGEST_BYTES`, at least one layer each."""
    groups: list[list[str]] = []
    used = LARGEST_BYTES + 1
    for name in model.linear_names():
        size = 4 * sum(n * n for n in model.weight(name).shape)
        if used + size > LARGEST_BYTES:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += size
    return groups


def _backward(model: LanguageModel, ids: Tensor, generator: torch.Generator) -> None:
    """One pass with labels sampled from the predictions; the loss is summed, so a gradient is that of one token."""
    with torch.enable_grad():
        logits = model.logits(ids).float()
        with torch.no_grad():
            chances = logits.softmax(-1).flatten(0, -2)
            labels = torch.multinomial(chances, 1, generator=generator).squeeze(1)
        nn.functional.cross_entropy(logits.flatten(0, -2), labels, reduction="sum").backward()


@contextmanager
def _frozen(model: LanguageModel) -> Iterator[None]:
    """While open, gradients flow through the layers but not into the weights, which would cost half as much again."""
    before = {parameter: parameter.requires_grad for parameter in model.module.parameters()}
    handle = model.module_named(model.structure.embedding).register_forward_hook(
        lambda module, args, out: out.requires_grad_(True)
    )
    try:
        for parameter in before:
            parameter.requires_grad_(False)
        yield
    finally:
        handle.remove()
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)
