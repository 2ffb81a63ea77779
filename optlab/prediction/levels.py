"""Which methods are probed, at which levels, and whether a step of a recipe lies among them.

A family is a method with all its parameters fixed except those that say how strong it is: bits and group size of a
quantization, sparsity of a pruning. Damage is tabulated over the levels of a family and read off between them. A step
that belongs to no family, or lies beyond its levels, is not predicted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from optlab.methods import REGISTRY, Method, Probed, Value, divisors_for_groups, method
from optlab.recipes import Step

STRENGTH = {"quantize": ("bits", "group_size"), "prune": ("sparsity",)}
"""The parameters that say how strong a step is."""
SHARED_OUT = {"scope": "layer", "threshold": None}
"""Parameters that only decide how sparsity is shared out between layers, which `treatment` works out; as probed."""
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
    """The families that a probe tabulates for layers with these numbers of inputs, in the order in which it does: what
    the methods declare (`Method.probed`).

    Methods that need no calibration text come first, so that something can be predicted soon; quantizations follow
    the prunings that they may be combined with.
    """
    sizes = common_groups(widths)
    found = [
        _family(method(kind, name), probed, sizes)
        for kind in ("prune", "quantize")
        for name in REGISTRY[kind]
        for probed in method(kind, name).probed
    ]
    return sorted(found, key=lambda family: method(family.kind, family.method).needs_calibration)


def _family(declared: type[Method], probed: Probed, sizes: list[int | None]) -> Family:
    """sizes: as `common_groups`."""
    values = declared.check(dict(probed.changed))
    levels: tuple[dict[str, Value], ...]
    if declared.kind == "prune":
        largest = next(p.maximum for p in declared.parameters if p.name == "sparsity") or 1.0
        levels = tuple({"sparsity": share} for share in probed.levels if share <= largest)
    else:
        groups = {"every": sizes, "usual": sizes[:1], "usual and row": [*sizes[:1], None]}[probed.groups]
        levels = tuple({"bits": int(bits), "group_size": size} for size in groups for bits in probed.levels)
    return Family(declared.kind, declared.name, _fixed(declared.kind, values), levels)


def common_groups(widths: list[int]) -> list[int | None]:
    """Group sizes that fit every layer, 64 first because it is the usual one, and None for one scale per row."""
    fitting = set.intersection(*(set(divisors_for_groups(width)) for width in set(widths)))
    found: list[int | None] = [size for size in GROUPS if size in fitting and size < min(widths)]
    return [*sorted(found, key=lambda size: size != 64), None]


def _fixed(kind: str, values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    others = {name: value for name, value in values.items() if name not in STRENGTH[kind]}
    return tuple(sorted((others | {name: v for name, v in SHARED_OUT.items() if name in others}).items()))


def _key(kind: str, name: str, fixed: tuple[tuple[str, Value], ...]) -> str:
    return f"{kind} {name} {json.dumps(dict(fixed), sort_keys=True)}"
