"""One choice for each layer, as a recipe: steps whose expressions name exactly the layers that a person would list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from optlab.recipes import Recipe, Step

NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def recipe_of(choices: Mapping[str, Sequence[Step]]) -> Recipe:
    """The recipe that applies to each layer (by name) the steps it is given, whose own expressions are not used.

    Layers with the same step share one; prunings come before quantizations.
    """
    together: dict[tuple[str, str], tuple[Step, list[str]]] = {}
    for name, steps in choices.items():
        for step in steps:
            bare = Step(step.kind, step.method, step.values)
            together.setdefault((step.kind, repr(bare.to_dict())), (bare, []))[1].append(name)
    ordered = sorted(together.values(), key=lambda pair: pair[0].kind != "prune")
    return Recipe(tuple(Step(step.kind, step.method, step.values, pattern(names)) for step, names in ordered))


def pattern(names: Sequence[str]) -> str:
    """An expression that matches exactly `names` (as `Step.matches` does), block numbers of like layers joined."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name in names:
        found = NUMBER.search(name)
        parts = (name, "") if found is None else (name[: found.start()], name[found.end() :])
        alike.setdefault(parts, []).append("" if found is None else found.group())
    joined: dict[tuple[str, str], list[str]] = {}
    for (head, tail), numbers in alike.items():
        joined.setdefault((head, "|".join(numbers)), []).append(tail)
    alternatives = []
    for (head, joint), tails in joined.items():
        ends = "|".join(map(re.escape, tails))
        alternatives.append(f"{re.escape(head)}(?:{joint})(?:{ends})$")
    return "|".join(alternatives)
