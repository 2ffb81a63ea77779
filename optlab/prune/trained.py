"""Pruning while training: what the two methods that do so share, from the first batch to the masks held at the end.

A subclass says what is added to the loss and when weights become zero. The whole model trains on the calibration text;
the last quarter of the steps changes no mask, so that what is left settles. Zeros of earlier steps stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.messages import Counted, Joined
from optlab.methods import Method, Parameter, Value
from optlab.prune.scored import SPARSITY
from optlab.training_parameters import training

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context
    from optlab.models.train import Point

TRAINING = training(steps=200, learning_rate=3e-4, batch=8, fewest_steps=4)
SETTLING = 0.25
"""The last share of the steps, in which masks are held."""


class TrainedPruning(Method):
    """Base of pruning by training; a subclass gives `share_at`, and `penalty` if it has one."""

    kind: ClassVar[str] = "prune"
    needs_calibration: ClassVar[bool] = True
    trains: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (SPARSITY, *TRAINING)

    @classmethod
    def untrained(cls, values: Mapping[str, Value]) -> tuple[str, dict[str, Value]]:
        """The same share of the smallest weights, at once."""
        return "magnitude", {"sparsity": values["sparsity"]}

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        share = f"{cls.name} {float(values['sparsity'] or 0.0):.0%}"
        return Joined(", ", [share, Counted("{count} step", "{count} steps", count=values["steps"])])

    def share_at(self, step: int, last: int) -> float | None:
        """The share of zeros after `step` of 1..last, after which masks are held; None to leave the masks alone."""
        raise NotImplementedError

    def penalty(self, weights: Sequence[Tensor]) -> Tensor | None:
        """Added to the loss in nats; weights: of the layers that are pruned."""
        return None

    def apply(self, context: Context) -> None:
        """Train and prune `context.names`. Raises RecipeError (quantized layers), TextError, Cancelled."""
        import torch

        from optlab.calibrate.gradients import loss
        from optlab.models.optimizer import AdamW
        from optlab.models.train import Schedule, shuffled_windows, train

        coded = [name for name, stored in context.stored.items() if stored.KIND != "sparse"]
        if coded:
            raise RecipeError(
                "{name} trains float weights, and {coded} is quantized; put it before quantize",
                name=self.name,
                coded=coded[0],
            )
        values, model = self.values, context.model
        steps = int(values["steps"])
        last = max(1, round(steps * (1 - SETTLING)))
        schedule = Schedule(
            steps, values["batch"], values["learning_rate"], warmup=max(1, min(20, steps // 10)), weight_decay=0.0,
            mixed_precision=context.mixed_precision,
        )  # fmt: skip
        windows = torch.tensor(context.training_windows(values["window"]), device=model.device)
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)
        weights = [model.module_named(name).get_parameter("weight") for name in context.names]
        optimizer = AdamW(model.module.parameters(), schedule.learning_rate, weight_decay=0.0)
        held = {name: model.module_named(name).get_parameter("weight") for name in (*context.stored, *context.names)}
        masks = {name: weight.detach() != 0 for name, weight in held.items()}
        for name, weight in held.items():
            optimizer.hold(weight, masks[name])
        generator = torch.Generator().manual_seed(context.seed)

        def loss_of(batch: Tensor) -> Tensor:
            found, added = loss(model, batch, generator), self.penalty(weights)
            return found if added is None else found + added

        def after(point: Point) -> dict[str, float]:
            share = self.share_at(point.step, last)
            if share is not None:
                for name, weight in zip(context.names, weights, strict=True):
                    zero_lowest(weight.detach(), masks[name], share)
            return {}

        try:
            with torch.enable_grad():
                batches = shuffled_windows(windows, schedule.batch, context.seed)
                train(model.module, batches, loss_of, schedule, context.progress, optimizer, after)
        finally:
            for parameter in model.module.parameters():
                parameter.requires_grad_(False)
        context.refresh_stored()
        for name in context.names:
            context.zero(name, context.model.weight(name) == 0)


def zero_lowest(W: Tensor, mask: Tensor, share: float) -> None:
    """Zero the `share` of W with the smallest absolute values, and what `mask` has false; mask (bool) follows."""
    from optlab.prune.masks import lowest

    mask &= ~lowest((W * mask).abs(), round(share * W.numel()))
    W.mul_(mask)
