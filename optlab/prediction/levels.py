"""Which methods are probed, at which levels, and whether a step of a recipe lies among them.

A family is a method with all its parameters fixed except those that say how strong it is: bits and group size of a
quantization, sparsity of a pruning. Damage is tabulated over the levels of a family and read off between them. A step
that belongs to no family, or lies beyond its levels, is not predicted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from optlab.methods import REGISTRY, Value, divisors_for_groups, method
from optlab.recipes import Step

STRENGTH = {"quantize": ("bits", "group_size"), "prune": ("sparsity",)}
"""The parameters that say how strong a step is."""
SHARED_OUT = {"scope": "layer", "threshold": None}
"""Parameters that only decide how sparsity is shared out between layers, which `treatment` works out; as probed."""
PRUNINGS = ("magnitude", "wanda", "sparsegpt")
"""Probed prunings: those that a person would choose, and that take seconds for a whole model."""
SPARSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FEW_SPARSITIES = (0.1, 0.3, 0.5, 0.7)
"""For methods that take longer."""
FEW_BITS = (2, 3, 4)
BITS = (2, 3, 4, 6, 8)
"""Probed bits. 5 and 7 lie half-way between their neighbours on a log scale, to one part in fifty."""
GROUPS = (32, 64, 128, 192, 256)
"""Group sizes that are probed where they divide every layer's width; one scale per row always is."""


@dataclass(frozen=True)
class Family:
    """A method at fixed other parameters. levels: the values of its strength parameters that are probed."""

    kind: str
    method: str
    fixed: tuple[tuple[str, Value], ...]
    levels: tuple[dict[str, Value], ...]

    @property
    def key(self) -> str:
        """A name that is the same for every step of the family."""
        return _key(self.kind, self.method, self.fixed)

    def step(self, level: int, layers: str | None = None) -> Step:
        """The step that this family takes at a level."""
        return Step(self.kind, self.method, {**dict(self.fixed), **self.levels[level]}, layers)


def family_key(step: Step) -> str | None:
    """The key of the family that `step` would belong to; None for a kind of step that is never predicted."""
    return _key(step.kind, step.method, _fixed(step.kind, step.values)) if step.kind in STRENGTH else None


def families(widths: list[int]) -> list[Family]:
    """The families that a probe tabulates for layers with these numbers of inputs, in the order in which it does.

    Methods that need no calibration text come first, so that something can be predicted soon; quantizations follow
    the prunings that they may be combined with.
    """
    sizes = common_groups(widths)
    middle = sizes[:1]
    prunings = [_pruning(name) for name in REGISTRY["prune"] if name in PRUNINGS]
    calibrated = {family.key for family in prunings if method("prune", family.method).needs_calibration}
    return [
        *[family for family in prunings if family.key not in calibrated],
        _quantization("rtn", {}, BITS, sizes),
        *[family for family in prunings if family.key in calibrated],
        _quantization("rtn", {"symmetric": True}, BITS, [*middle, None]),
        _quantization("gptq", {}, FEW_BITS, middle),
    ]


def _pruning(name: str) -> Family:
    declared = method("prune", name)
    largest = next(p.maximum for p in declared.parameters if p.name == "sparsity") or 1.0
    probed = FEW_SPARSITIES if declared.needs_calibration else SPARSITIES
    levels: tuple[dict[str, Value], ...] = tuple({"sparsity": s} for s in probed if s <= largest)
    return Family("prune", name, _fixed("prune", declared.check({})), levels)


def common_groups(widths: list[int]) -> list[int | None]:
    """Group sizes that fit every layer, 64 first because it is the usual one, and None for one scale per row."""
    fitting = set.intersection(*(set(divisors_for_groups(width)) for width in set(widths)))
    found: list[int | None] = [size for size in GROUPS if size in fitting and size < min(widths)]
    return [*sorted(found, key=lambda size: size != 64), None]


def _quantization(name: str, changed: Mapping[str, Value], bits: tuple[int, ...], sizes: list[int | None]) -> Family:
    values = method("quantize", name).check(changed)
    levels: tuple[dict[str, Value], ...] = tuple({"bits": b, "group_size": size} for size in sizes for b in bits)
    return Family("quantize", name, _fixed("quantize", values), levels)


def _fixed(kind: str, values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    others = {name: value for name, value in values.items() if name not in STRENGTH[kind]}
    return tuple(sorted((others | {name: v for name, v in SHARED_OUT.items() if name in others}).items()))


def _key(kind: str, name: str, fixed: tuple[tuple[str, Value], ...]) -> str:
    return f"{kind} {name} {json.dumps(dict(fixed), sort_keys=True)}"
