"""Everything that each layer may become, with its bytes and its damage: what a search for the best is offered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product

import numpy as np

from optlab.methods import Value
from optlab.prediction.allocation import Chosen, Floats
from optlab.prediction.mixed import pattern
from optlab.prediction.size import layer_bytes
from optlab.prediction.state import FamilyTable, State
from optlab.prediction.treatment import Outside, damage, treatment
from optlab.recipes import Recipe, Step

Choice = tuple[Step, ...]
"""The steps that a layer gets; none leave it as it is."""


@dataclass(frozen=True)
class Menu:
    """What each of the layers `names` may become. size, damage [layers, choices]: bytes of its tensors, nats."""

    names: tuple[str, ...]
    choices: tuple[Choice, ...]
    size: Floats
    damage: Floats

    def recipe(self, chosen: Chosen) -> Recipe:
        """The recipe of one choice per layer: a step for each that is used, prunings first."""
        used: dict[int, tuple[Step, list[str]]] = {}
        for name, choice in zip(self.names, chosen, strict=True):
            for step in self.choices[choice]:
                # the menu makes one object of every step, and a step cannot be a key
                used.setdefault(id(step), (step, []))[1].append(name)
        ordered = sorted(used.values(), key=lambda pair: pair[0].kind != "prune")
        return Recipe(tuple(Step(step.kind, step.method, step.values, pattern(names)) for step, names in ordered))


def menu(state: State, methods: tuple[str, ...] | None = None, prunings: tuple[str, ...] = ()) -> Menu:
    """All probed levels of all probed quantizations (or of `methods` only), each also after all probed levels of
    `prunings`; and the original."""
    quantized = _steps(state, "quantize", methods)
    pruned = _steps(state, "prune", prunings)
    wanted: list[Choice] = [(), *[(step,) for step in quantized], *product(pruned, quantized)]
    choices, sizes, harms = [], [], []
    for choice in wanted:
        try:
            done = treatment(state, Recipe(choice))
            found = damage(state, done)
        except Outside:
            continue
        choices.append(choice)
        harms.append(found.total)
        sizes.append(layer_bytes(state, done, found))
    return Menu(tuple(state.names), tuple(choices), np.array(sizes).T, np.array(harms).T)


def _steps(state: State, kind: str, methods: tuple[str, ...] | None) -> list[Step]:
    """Every probed level of the methods of a kind."""

    def wanted(table: FamilyTable) -> bool:
        return table.kind == kind and table.done and (methods is None or table.method in methods)

    return [
        Step(kind, table.method, {**_fixed(key), **level})
        for key, table in state.tables.items()
        if wanted(table)
        for level in table.levels
    ]


def _fixed(key: str) -> dict[str, Value]:
    """The fixed parameters of a family, from its key."""
    found: dict[str, Value] = json.loads(key.split(" ", 2)[2])
    return found
