"""Learned rounding: block by block, every weight learns whether to be rounded up or down.

Rounding to nearest, and GPTQ, look at one layer at a time. Here a whole block is run on the calibration text, and
signed gradient descent turns the roundings of all its weights together until its output comes close to the original's.
It takes minutes where GPTQ takes seconds.

Three choices beyond the paper. Learning begins within the ranges that harm each layer's output least
(`output_range`); beginning at GPTQ's result, which is fitted to inputs that the quantized blocks before no longer give,
ends worse. The squared error of a token counts in inverse proportion to the size of its hidden state: unweighted, the
few tokens with enormous states decide alone; relative to the squared size they are forgotten, though all others attend
to them. And a block keeps what it learned only where that is better on windows it did not learn from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from optlab.messages import say
from optlab.methods import Parameter
from optlab.progress import span
from optlab.quantize.layerwise import FORMAT, LayerwiseQuantizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from optlab.calibrate.walk import Walk
    from optlab.context import Context
    from optlab.formats.integer_tensor import QuantizedTensor
    from optlab.models.language_model import LanguageModel
    from optlab.quantize.gptq import GPTQ

BATCH_TOKENS = 2048
"""Tokens of one step."""
SMALLEST_STATE = 1e-6
"""Hidden states smaller than this count as this large."""
START_SHARE = 0.05
"""How much of the time the start takes, for the progress bar."""


class SignRound(LayerwiseQuantizer):
    """Rounding learned by signed gradient descent on the output of each block."""

    name: ClassVar[str] = "signround"
    title: ClassVar[str] = "Learned rounding"
    summary: ClassVar[str] = "Learns, block by block, which weights to round up and which down; takes minutes."
    source: ClassVar[str] = "SignRound (AutoRound), Cheng et al. 2023, arXiv 2309.05516"
    needs_calibration: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *FORMAT,
        Parameter(
            "steps", int, 22, "Steps per block",
            "How many steps of descent each block takes, each on 2048 tokens of the calibration text; the time grows "
            "with it.",
            minimum=1, maximum=1000, step=1, unit="steps",
        ),
        Parameter(
            "start", str, "range", "Starts from",
            "Which rounding is improved: 'range', to nearest within the range with the least error of the output, or "
            "'gptq'.",
            choices=("range", "gptq"), advanced=True,
        ),
    )  # fmt: skip

    _gptq: GPTQ | None = None

    def quantize(self, W: Tensor, name: str, context: Context) -> QuantizedTensor:
        """Where the layer begins."""
        from optlab.quantize import output_range
        from optlab.quantize.gptq import GPTQ

        if self.values["start"] == "range":
            return output_range.nearest(W, name, context, self.bits, self.zero, self.group_size)
        if self._gptq is None:
            self._gptq = GPTQ({parameter.name: self.values[parameter.name] for parameter in FORMAT})
        return self._gptq.quantize(W, name, context)

    def apply(self, context: Context) -> None:
        """Quantize `context.names`. Raises RecipeError, ModelError, TextError, Cancelled."""
        original = context.model.clone()
        context.statistics()  # computed here, with its progress, and then read by all threads
        super().apply(replace(context, progress=span(context.progress, 0.0, START_SHARE)))
        self._learn(original, replace(context, progress=span(context.progress, START_SHARE, 1.0)))

    def _learn(self, original: LanguageModel, context: Context) -> None:
        """Improve the layers of one block after another; the model begins with their stored weights."""
        import torch

        from optlab.calibrate.walk import Walk, in_batches

        batches = in_batches(context.calibration_windows(), BATCH_TOKENS)
        reference, learner = Walk(original, batches), Walk(context.model, batches)
        blocks = context.model.blocks()
        generator = torch.Generator().manual_seed(context.seed)
        kind = context.model.device.type
        touched = [i for i, (prefix, _) in enumerate(blocks) if any(n.startswith(f"{prefix}.") for n in context.names)]
        for number, (prefix, _) in enumerate(blocks[: max(touched, default=-1) + 1]):
            part = replace(
                context,
                names=[name for name in context.names if name.startswith(f"{prefix}.")],
                progress=span(context.progress, number / len(blocks), (number + 1) / len(blocks)),
            )
            # Without its cache, which would go on multiplying with weights as they were when first cast.
            with torch.autocast(kind, torch.bfloat16, enabled=context.mixed_precision, cache_enabled=False):
                reference.advance()
                if part.names:
                    self._learn_block(original, part, reference.states, learner, generator)
                learner.advance()

    def _learn_block(
        self,
        original: LanguageModel,
        context: Context,
        targets: list[Tensor],
        learner: Walk,
        generator: torch.Generator,
    ) -> None:
        """Improve `context.names`, all of one block, until the next block of `learner` gives nearly `targets`."""
        import torch

        from optlab.formats.integer_tensor import QuantizedTensor
        from optlab.models.structure import is_conv1d
        from optlab.quantize.rounding import LearnedRounding

        model, steps = context.model, int(self.values["steps"] or 1)
        modules = [model.module_named(name) for name in context.names]
        weights = [module.get_parameter("weight") for module in modules]
        before = [stored for name in context.names if isinstance(stored := context.stored[name], QuantizedTensor)]
        learned = [
            LearnedRounding(start, original.weight(name).float())
            for name, start in zip(context.names, before, strict=True)
        ]

        def loss(batch: int) -> Tensor:
            return output_error(learner.through(batch), targets[batch])

        # The last batch judges, the others teach; of a single one both must come.
        judge = len(targets) - 1
        with torch.no_grad():
            at_start = float(loss(judge))
        queue: list[int] = []
        for step in range(steps):
            context.progress(step / steps, say("learning to round {names}", names=context.names[0].rpartition(".")[0]))
            queue = queue or torch.randperm(max(judge, 1), generator=generator).tolist()
            for weight in weights:
                weight.requires_grad_(True)
            with torch.enable_grad():
                gradients = torch.autograd.grad(loss(queue.pop()), weights, allow_unused=True)
            for weight in weights:
                weight.requires_grad_(False)
            for name, module, rounding, G in zip(context.names, modules, learned, gradients, strict=True):
                if G is not None:
                    rounding.descend(G.T if is_conv1d(module) else G, (1 - step / steps) / steps)
                    model.set_weight(name, rounding.value())
        for name, rounding in zip(context.names, learned, strict=True):
            context.store(name, rounding.result())
        with torch.no_grad():
            at_end = float(loss(judge))
        if not at_end < at_start:
            for name, start in zip(context.names, before, strict=True):
                context.store(name, start)


def output_error(found: Tensor, expected: Tensor) -> Tensor:
    """Mean over tokens of |found - expected|^2 / |expected|; both [..., D]."""
    error = (found.float() - expected.float()).square().sum(-1)
    return (error / expected.float().norm(dim=-1).clamp(min=SMALLEST_STATE)).mean()
