"""What all pruning methods share: their first knobs, and the walk over layers that zeroes the lowest scores.

A subclass names itself and says how much each weight matters (`scores`); which weights then go is decided here, by
the pattern and by the share that `allocation` gives each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import ModelError, RecipeError
from optlab.messages import Joined, say
from optlab.methods import Method, Parameter, Value
from optlab.prune.pattern import FINE, PATTERNS, UNITS, UNSTRUCTURED, check_share, check_width, in_words

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.context import Context

SPARSITY = Parameter(
    "sparsity", float, 0.5, "Sparsity",
    "The share of weights that become zero, or of heads, neurons or layers that are removed. Zeros save space in the "
    "file; they make nothing faster on a processor without kernels for them.",
    minimum=0.0, maximum=0.95, step=0.05,
)  # fmt: skip
PATTERN = Parameter(
    "pattern", str, "unstructured", "Pattern",
    "Which zeros are allowed. 'unstructured': anywhere. '2:4' and '4:8': exactly half of every 4 or 8 neighbours. "
    "'heads', 'neurons', 'layers': whole attention heads, neurons or blocks are removed, which makes every matrix "
    "smaller and the model faster everywhere.",
    choices=PATTERNS,
)  # fmt: skip
ALLOCATION = Parameter(
    "allocation", str, "uniform", "Allocation",
    "'uniform' takes the same share from every layer; 'owl' spares blocks in which a few weights stand far above the "
    "others, and takes more from the rest (needs text).",
    choices=("uniform", "owl"), advanced=True,
)  # fmt: skip
SEQUENTIAL = Parameter(
    "sequential", bool, False, "Sequential",
    "Off: every layer is judged by the inputs it has in the original model, which all recipes share. On: by the "
    "inputs that the already pruned layers before it make, for one more pass over the text per recipe.",
)  # fmt: skip
REFIT = Parameter(
    "refit", bool, True, "Refit remaining weights",
    "After the zeros are chosen, the weights that stay are fitted to the outputs that the layer had: least squares on "
    "the calibration text, for a few seconds more. Off: the method as its paper has it.",
)  # fmt: skip


class ScoredPruning(Method):
    """Base of the methods that zero the weights with the lowest scores; a subclass gives `scores`."""

    kind: ClassVar[str] = "prune"
    parameters: ClassVar[tuple[Parameter, ...]] = (SPARSITY, PATTERN, ALLOCATION)
    by_row: ClassVar[bool] = False
    """Whether scores are compared within each output row instead of over the layer."""

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        parts: list[str] = [Joined(" ", [cls.name, in_words(values)])]
        parts += [say("sequential")] if values.get("sequential") else []
        parts += [say("not refitted")] if values.get("refit") is False else []
        parts += ["owl"] if values["allocation"] == "owl" else []
        return Joined(", ", parts)

    @property
    def leaves_zeros(self) -> bool:
        return self.values["pattern"] not in UNITS

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        check_share(values)
        if values["allocation"] != "uniform" and values["pattern"] != UNSTRUCTURED:
            raise RecipeError(
                "pattern {pattern} takes the same from every layer; use allocation uniform, or pattern unstructured",
                pattern=values["pattern"],
            )

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        check_width(values["pattern"], name, shape[1])

    def begin(self, context: Context) -> None:
        """Whatever the method needs to know before the first layer."""

    def scores(self, name: str, context: Context) -> Tensor:
        """How much each weight of layer `name` matters, float32 [out, in], not negative; 0 where it is already 0."""
        raise NotImplementedError

    def second_moments(self, name: str) -> Tensor | None:
        """Of what layer `name` reads, [in, in], when the weights that stay shall make up for those that go."""
        return None

    def damping(self) -> float:
        """Share of the mean diagonal that is added to second moments."""
        from optlab.prune.refit import DAMPING

        return float(self.values.get("damping", DAMPING))

    def prune(self, name: str, share: float, context: Context) -> None:
        """Zero `share` of layer `name`."""
        from optlab.prune.masks import lowest, lowest_of_neighbours, lowest_of_rows
        from optlab.prune.refit import refit

        scores, pattern = self.scores(name, context), self.values["pattern"]
        if pattern in FINE:
            mask = lowest_of_neighbours(scores, pattern)
        elif self.by_row:
            mask = lowest_of_rows(scores, round(share * scores.shape[1]))
        else:
            mask = lowest(scores, round(share * scores.numel()))
        H = self.second_moments(name)
        W = context.model.weight(name)
        context.zero(name, mask, None if H is None else refit(W, H, mask | (W == 0), self.damping()))

    def apply(self, context: Context) -> None:
        """Prune `context.names` in order. Raises RecipeError, ModelError, TextError, Cancelled."""
        if self.values["pattern"] in UNITS:
            from optlab.prune.structured import remove

            return remove(self, context)
        from optlab.prune.allocation import shares

        share_of = shares(context, self.values["sparsity"], self.values["allocation"])
        self.begin(context)
        for done, name in enumerate(context.names):
            context.progress(done / len(context.names), say("pruning {name}", name=name))
            if not bool(context.model.weight(name).isfinite().all()):
                raise ModelError("{name} holds numbers that are not finite, so they cannot be ranked", name=name)
            self.prune(name, share_of[name], context)
        return None
