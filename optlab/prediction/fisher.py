"""How sensitive a model is to a change of the weights of each layer: the Fisher information, in Kronecker factors.

The divergence that a change D of a weight W [out, in] causes is, to second order, half the quadratic form of the Fisher
matrix of that layer, KL(D) = 1/2 E[(g^T D x)^2], with x the input of the layer at a token and g the gradient of the
loss by its output, the labels sampled from the model's own predictions. Two factors replace the expectation:

    KL(D) = 1/2 tr(G D A D^T)      G = E[g g^T],  A = E[|g|^2 x x^T] / E[|g|^2]

(Martens and Grosse, arXiv 1503.05671, section 3.) Weighting the tokens of A by |g|^2 is the one difference to that
paper: the huge inputs at the first token of a window, on which hardly any prediction depends, would otherwise decide.

G is never held: `SKETCH` random sums of gradients, Gamma = sum of g s^T over tokens with s random signs, have
E[Gamma Gamma^T] in proportion to G, and 1/2 |A^(1/2) D^T Gamma|^2 takes a tenth of the time of the full product. It is
exact in expectation, and close because the rows of D hardly move together.

What is kept: A [in, in] and Gamma [out, SKETCH] of every layer in float32, of as many blocks at once as fit into
`LARGEST_BYTES`; a larger model reads the text once for every such group of blocks, and its caller is done with one
group before the next begins. SmolLM2-135M takes one pass and 640 MB, and 430 MB for the gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from optlab.messages import say
from optlab.models.language_model import LanguageModel
from optlab.progress import Progress, silent

LARGEST_BYTES = 2 << 30
"""Of factors and of the gradients that are held beside them."""
SKETCH = 128
"""Random sums that stand for the gradients of a layer."""


@dataclass
class Factors:
    """Running sums of one layer, float32. gram: sum of |g|^2 x x^T; sketch: sum of g s^T; weight: sum of |g|^2."""

    gram: Tensor
    sketch: Tensor
    generator: torch.Generator
    weight: float = 0.0
    tokens: int = 0

    def add(self, x: Tensor, g: Tensor) -> None:
        """x [..., in], g [..., out]: inputs of the layer, gradients of the summed loss by its outputs."""
        X, Y = x.reshape(-1, x.shape[-1]).float(), g.reshape(-1, g.shape[-1]).float()
        energy = Y.square().sum(1, keepdim=True)
        self.gram.addmm_((X * energy).T, X)
        signs = torch.randint(0, 2, (len(Y), self.sketch.shape[1]), generator=self.generator, device=Y.device)
        self.sketch.addmm_(Y.T, signs.mul_(2).sub_(1).float())
        self.weight += float(energy.sum())
        self.tokens += len(X)

    def settled(self) -> Sensitivity:
        """What the sums say, once all tokens were added."""
        found = float(self.sketch.square().sum())
        # The trace of G is known exactly, so the sketch need not be trusted for it.
        scale = (self.weight / max(self.tokens, 1) / found) ** 0.5 if found else 0.0
        return Sensitivity(self.gram / (self.weight or 1.0), self.sketch * scale)


@dataclass(frozen=True)
class Sensitivity:
    """Of one layer (see the module), float32: A [in, in] and Gamma [out, SKETCH], with Gamma Gamma^T about G."""

    A: Tensor
    Gamma: Tensor

    def damage(self, D: Tensor) -> float:
        """1/2 tr(G D A D^T) of a change D [out, in] of the weight: nats per token."""
        seen = self.Gamma.T @ D
        return max(0.5 * float(((seen @ self.A) * seen).sum()), 0.0)


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
        generator = torch.Generator(device=model.device).manual_seed(seed)
        factors = {
            name: Factors(
                torch.zeros(columns, columns, device=model.device),
                torch.zeros(rows, SKETCH, device=model.device),
                generator,
            )
            for name, (rows, columns) in shapes.items()
        }
        with _frozen(model), Recorder({name: model.module_named(name) for name in names}, factors):
            for done, ids in enumerate(batches):
                progress((number + done / len(batches)) / len(groups), say("measuring how sensitive each layer is"))
                _backward(model, ids.to(model.device), generator)
        yield {name: found.settled() for name, found in factors.items()}


def in_groups(model: LanguageModel) -> list[list[str]]:
    """The linear layers in groups whose factors fit into `LARGEST_BYTES`, at least one layer each."""
    groups: list[list[str]] = []
    used = LARGEST_BYTES + 1
    for name in model.linear_names():
        rows, columns = model.weight(name).shape
        size = 4 * (columns * columns + rows * SKETCH + rows * columns)
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
