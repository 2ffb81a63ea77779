"""Which choice for which layer: the least damage for a size, over every combination of choices.

Layers are independent as far as the table of damages knows: a combination costs the sum of its layers' damages and the
sum of their bytes. So the whole trade-off is a multiple-choice knapsack, and two classical tools answer it.

`sweep` gives the lower convex hull of all combinations at once: for every price lambda of a byte the combination with
the least damage + lambda * bytes (Everett 1963; Shoham and Gersho 1988 for bit allocation). It is found without trying
prices: each layer's own hull is a staircase of ever worse bargains, and merging the stairs of all layers by their slope
walks through the optimum of every lambda in turn.

`within` answers one given budget exactly, also between the corners of that hull: dynamic programming over lists of
(bytes, damage) in which nothing is both larger and worse (Nemhauser and Ullmann 1969). The sweep bounds what any
completion can still reach (Lagrangian duality), which discards almost every entry of those lists.

Only numpy; 210 layers with 20 choices each take milliseconds for the sweep and less than a second for a budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Chosen = NDArray[np.intp]
"""[layers]: the number of the choice of each layer."""

LONGEST_LIST = 20_000
"""Entries of a list that are kept; beyond, the best of each of so many equal intervals of bytes, which loses at most
the difference between two neighbours."""
SLACK = 1e-9
"""Relative rounding error that a bound is allowed before it discards anything."""


@dataclass(frozen=True)
class Hull:
    """Corners of the lower convex hull, smallest size first. chosen [corners, layers]; size, damage [corners]."""

    chosen: NDArray[np.intp]
    size: Floats
    damage: Floats


def sweep(size: Floats, damage: Floats) -> Hull:
    """Every combination that is best at some price of a byte.

    size, damage: [layers, choices], finite; inf in `damage` forbids a choice, of which each layer must keep one.
    """
    layers = len(size)
    first = np.empty(layers, dtype=np.intp)
    stairs: list[tuple[float, float, int, int]] = []
    for layer in range(layers):
        corners = _corners(size[layer], damage[layer])
        first[layer] = corners[0]
        for before, after in pairwise(corners):
            slope = (damage[layer, after] - damage[layer, before]) / (size[layer, after] - size[layer, before])
            stairs.append((float(slope), -float(size[layer, after]), layer, after))
    # The steepest saving of damage per byte first; a layer's own slopes rise, so its stairs stay in order.
    stairs.sort(key=lambda stair: stair[0])
    chosen = np.repeat(first[None], len(stairs) + 1, axis=0)
    for number, (_, _, layer, after) in enumerate(stairs):
        chosen[number + 1 :, layer] = after
    rows = np.arange(layers)
    return Hull(chosen, size[rows, chosen].sum(1), damage[rows, chosen].sum(1))


def _corners(size: Floats, damage: Floats) -> list[int]:
    """The choices of one layer on its lower convex hull, from the smallest to the one with the least damage."""
    allowed = np.flatnonzero(np.isfinite(damage))
    order = allowed[np.lexsort((damage[allowed], size[allowed]))]
    hull: list[int] = []
    for choice in order:
        if hull and damage[choice] >= damage[hull[-1]]:
            continue  # larger (or as large) and no better
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (damage[b] - damage[a]) * (size[choice] - size[b]) < (damage[choice] - damage[b]) * (size[b] - size[a]):
                break
            hull.pop()
        hull.append(int(choice))
    return hull


def within(size: Floats, damage: Floats, budget: float) -> Chosen | None:
    """The combination with the least damage among those of at most `budget` bytes; None when the smallest is larger.

    size, damage: as `sweep`. With the two swapped it finds the smallest combination of at most so much damage.
    """
    hull = sweep(size, damage)
    if hull.size[0] > budget:
        return None
    fits = int(np.flatnonzero(hull.size <= budget)[-1])
    if fits == len(hull.size) - 1:
        return hull.chosen[fits]
    price = -(hull.damage[fits + 1] - hull.damage[fits]) / (hull.size[fits + 1] - hull.size[fits])
    best = _filled(size, damage, hull.chosen[fits], budget)
    worst = float(damage[np.arange(len(size)), best].sum())
    # Lagrangian bound: no combination within the budget has less damage than `bound`, and one that takes a choice
    # whose priced damage lies `extra` above the layer's best has at least `extra` more.
    with np.errstate(invalid="ignore"):
        priced = damage + price * size
    lowest = priced.min(1)
    extra = priced - lowest[:, None]
    room = worst - (float(lowest.sum()) - price * budget) + SLACK * abs(worst)
    found = _search(size, damage, extra, budget, room)
    return best if found is None else found


def _filled(size: Floats, damage: Floats, chosen: Chosen, budget: float) -> Chosen:
    """`chosen` with what is left of the budget spent on single layers, the greatest gain first."""
    chosen = chosen.copy()
    rows = np.arange(len(size))
    left = budget - float(size[rows, chosen].sum())
    while True:
        more, gain = size - size[rows, chosen][:, None], damage[rows, chosen][:, None] - damage
        gain = np.where(more <= left, gain, 0.0)
        layer, choice = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[layer, choice] <= 0:
            return chosen
        left -= float(more[layer, choice])
        chosen[layer] = choice


def _search(size: Floats, damage: Floats, extra: Floats, budget: float, room: float) -> Chosen | None:
    """Dynamic programming over the layers. extra [layers, choices]: what a choice adds to the bound; room: how far
    above the bound the best known combination lies. None when nothing as good as that was found."""
    layers = len(size)
    open_ = [np.flatnonzero(extra[layer] <= room) for layer in range(layers)]
    smallest_ahead = np.append(np.cumsum([size[n, open_[n]].min() for n in reversed(range(layers))])[::-1][1:], 0.0)
    bytes_, harm, over = np.zeros(1), np.zeros(1), np.zeros(1)
    trail: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for layer in range(layers):
        choices = open_[layer]
        new_bytes = (bytes_[:, None] + size[layer, choices]).ravel()
        new_harm = (harm[:, None] + damage[layer, choices]).ravel()
        new_over = (over[:, None] + extra[layer, choices]).ravel()
        kept = np.flatnonzero((new_over <= room) & (new_bytes + smallest_ahead[layer] <= budget))
        kept = kept[_undominated(new_bytes[kept], new_harm[kept])]
        if not len(kept):
            return None
        if len(kept) > LONGEST_LIST:
            kept = kept[_thinned(new_bytes[kept])]
        trail.append((kept // len(choices), choices[kept % len(choices)]))
        bytes_, harm, over = new_bytes[kept], new_harm[kept], new_over[kept]
    place = int(harm.argmin())
    chosen = np.empty(layers, dtype=np.intp)
    for layer in reversed(range(layers)):
        parents, taken = trail[layer]
        chosen[layer], place = taken[place], parents[place]
    return chosen


def _undominated(bytes_: Floats, harm: Floats) -> NDArray[np.intp]:
    """Where no other entry is at most as large and at most as harmful; by size."""
    order = np.lexsort((harm, bytes_))
    lowest = np.minimum.accumulate(harm[order])
    better = np.append(True, lowest[1:] < lowest[:-1])
    return order[better]


def _thinned(bytes_: Floats) -> NDArray[np.intp]:
    """Of entries by rising size (and so falling harm), the last in each of `LONGEST_LIST` equal intervals."""
    cell = ((bytes_ - bytes_[0]) * (LONGEST_LIST / max(float(bytes_[-1] - bytes_[0]), 1e-30))).astype(np.int64)
    return np.flatnonzero(np.append(cell[1:] != cell[:-1], True))
