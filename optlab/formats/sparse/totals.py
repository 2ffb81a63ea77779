"""What a whole model would take at every share of zeros, in every form, and where one form starts to pay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optlab.formats.sparse.sizes import FINE, FORMS, Form, sizes

Shape = tuple[int, int]


@dataclass(frozen=True)
class Crossing:
    """From the share `sparsity` of zeros on, `form` takes fewer bytes than `than`."""

    form: Form
    than: Form
    sparsity: float


def totals(shapes: Sequence[Shape], sparsity: float, bits: int = 16) -> dict[Form, int]:
    """Bytes of weights of `shapes` (out, in) together, each with a share `sparsity` of zeros; see `sizes`.

    An N:M form is there when it can hold all of them.
    """
    costs = [(sizes(shape, sparsity, bits), count) for shape, count in Counter(shapes).items()]
    held = [form for form in FORMS if all(form in cost for cost, _ in costs)]
    return {form: sum(cost[form] * count for cost, count in costs) for form in held}


def crossings(shapes: Sequence[Shape], bits: int = 16) -> list[Crossing]:
    """Where bitmask and CSR start to pay against dense storage, CSR against the bitmask, and N:M against the bitmask
    (from the first share that its pattern allows); only those that are reached before all weights are zero."""
    pairs: list[tuple[Form, Form]] = [("bitmask", "dense"), ("csr", "dense"), ("csr", "bitmask")]
    found = [Crossing(form, than, _break_even(shapes, form, than, bits)) for form, than in pairs]
    for pattern, (kept, of) in FINE.items():
        form: Form = "2:4" if pattern == "2:4" else "4:8"
        share = 1 - kept / of
        at = totals(shapes, share, bits)
        if form in at and at[form] < at["bitmask"]:
            found.append(Crossing(form, "bitmask", share))
    return [one for one in found if one.sparsity < 1.0]


def _break_even(shapes: Sequence[Shape], form: Form, than: Form, bits: int) -> float:
    """By bisection, as `sizes.break_even`: each form saves in proportion to its zeros, so two of them cross once."""

    def smaller(sparsity: float) -> bool:
        costs = totals(shapes, sparsity, bits)
        return costs[form] < costs[than]

    low, high = 0.0, 1.0
    if smaller(low):
        return low
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if smaller(middle) else (middle, high)
    return high
