"""Attention heads that a person chose go, one by one.

A head that goes in one block only is silenced: the columns that read it become 0, and the rows that make it, which
saves bytes and no time. When every block loses as many, and whole groups that share keys and values, they are cut out,
and every matrix is smaller for any program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.messages import say
from optlab.methods import Method, Parameter, Value
from optlab.recipes import Recipe, Step

if TYPE_CHECKING:
    from optlab.context import Context
    from optlab.models.heads import Heads
    from optlab.models.language_model import LanguageModel

Chosen = dict[int, set[int]]
"""Block -> heads."""
Head = tuple[int, int]
"""(block, head)."""


class ChosenHeads(Method):
    """Remove the heads that are named."""

    kind: ClassVar[str] = "prune"
    name: ClassVar[str] = "chosen_heads"
    title: ClassVar[str] = "Chosen attention heads"
    summary: ClassVar[str] = "Removes the heads that you name, or click on the map of heads."
    source: ClassVar[str] = "Michel et al. 2019, arXiv 1905.10650"
    changes_shape: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "heads", str, None, "Heads",
            "Block and head, counted from 0, such as '3.0 3.7 12.4'. As many in every block (whole groups, where heads "
            "share keys and values) makes the model faster; else they are only silenced.",
            optional=True, none_label="none",
        ),
    )  # fmt: skip

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        return say("{count} chosen heads", count=sum(map(len, read(values["heads"]).values())))

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        read(values["heads"])

    def apply(self, context: Context) -> None:
        """Remove them from all blocks, whatever `context.names` says. Raises RecipeError."""
        from optlab.models.heads import heads_of
        from optlab.prune.structured import cut_heads

        chosen, heads = read(self.values["heads"]), heads_of(context.model)
        for block, some in chosen.items():
            if block >= len(heads.outputs) or max(some) >= heads.count:
                raise RecipeError(
                    "there is no head {block}.{some}; use 0.0 to {output_count}.{count}",
                    block=block,
                    some=max(some),
                    output_count=len(heads.outputs) - 1,
                    count=heads.count - 1,
                )
            if len(some) == heads.count:
                raise RecipeError("block {block} would keep no head; leave one, or use pattern layers", block=block)
        units = whole_units(chosen, heads, len(heads.outputs))
        if units and not context.stored and cut_heads(context, units):
            return
        for block, some in chosen.items():
            silence(context, heads, block, some)


def read(words: Value) -> Chosen:
    """'3.0 3.7' as block -> heads. Raises RecipeError."""
    found: Chosen = {}
    for word in re.split(r"[\s,]+", str(words or "").strip()):
        if not word:
            continue
        if not re.fullmatch(r"\d{1,4}\.\d{1,4}", word):
            raise RecipeError(
                "{word!r} is no head; write block and head such as 3.0, with spaces between them", word=word
            )
        block, head = word.split(".")
        found.setdefault(int(block), set()).add(int(head))
    return found


def write(chosen: Chosen) -> str | None:
    """Reverse of `read`, in order; None when no head is chosen."""
    return " ".join(f"{block}.{head}" for block in sorted(chosen) for head in sorted(chosen[block])) or None


def whole_units(chosen: Chosen, heads: Heads, blocks: int) -> list[list[int]]:
    """The groups of heads that stay in each block, when all blocks lose as many whole groups; else []."""
    groups = range(heads.count // heads.shared)
    members = {group: set(range(group * heads.shared, (group + 1) * heads.shared)) for group in groups}
    kept = []
    for block in range(blocks):
        some = chosen.get(block, set())
        gone = [group for group in groups if members[group] <= some]
        if not gone or len(gone) * heads.shared != len(some):
            return []
        kept.append([group for group in groups if group not in gone])
    return kept if len({len(groups) for groups in kept}) == 1 else []


def silence(context: Context, heads: Heads, block: int, some: set[int]) -> None:
    """Zero what reads and what makes the heads `some` of a block."""
    import torch

    prefix = context.model.blocks()[block][0]
    kinds = context.model.structure.kinds
    layers = {kinds[name]: name for name in context.model.linear_names() if name.startswith(f"{prefix}.")}
    groups = {h // heads.shared for h in some}
    silent = {g for g in groups if set(range(g * heads.shared, (g + 1) * heads.shared)) <= some}

    def zero(kind: str, units: set[int], columns: bool = False) -> None:
        if kind not in layers or not units:
            return
        places = torch.tensor([unit * heads.size + i for unit in sorted(units) for i in range(heads.size)])
        mask = torch.zeros(context.model.weight(layers[kind]).shape, dtype=torch.bool)
        if columns:
            mask[:, places] = True
        else:
            mask[places] = True
        context.zero(layers[kind], mask.to(context.model.device))

    zero("attention.o", some, columns=True)
    zero("attention.v", silent)
    for kind, units in (("attention.q", some), ("attention.k", silent)):
        if kind in layers and not _normalized_together(context.model, layers[kind]):
            zero(kind, units)


def _normalized_together(model: LanguageModel, name: str) -> bool:
    """Whether what a layer gives is normalized over all heads, so that none of its rows can go without the others."""
    attention = model.module_named(name.rpartition(".")[0])
    weights = [getattr(part, "weight", None) for part in attention.children()]
    return any(weight is not None and weight.shape == model.weight(name).shape[:1] for weight in weights)


def removed(recipe: Recipe) -> set[Head] | None:
    """The heads that `recipe` removes; None when it prunes in another way, which a click would undo."""
    steps = [step for step in recipe.steps if step.kind == "prune"]
    if not steps:
        return set()
    if len(steps) > 1 or steps[0].method != ChosenHeads.name:
        return None
    return {(block, head) for block, some in read(steps[0].values["heads"]).items() for head in some}


def toggled(recipe: Recipe, heads: set[Head]) -> Recipe:
    """`recipe` in which `heads` go if they were there, and come back if they were gone. Raises RecipeError."""
    wanted: dict[int, set[int]] = {}
    for block, head in (removed(recipe) or set()) ^ heads:
        wanted.setdefault(block, set()).add(head)
    others = tuple(step for step in recipe.steps if step.kind != "prune")
    words = write(wanted)
    return Recipe((Step("prune", ChosenHeads.name, {"heads": words}), *others)) if words else Recipe(others)
