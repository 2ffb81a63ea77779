"""What rounding costs an embedding or a head, which are no layers of the blocks and which few recipes touch.

Their damage has no table: an embedding is a look-up, a head meets no softmax but the last, and where both are one
matrix a change goes both ways. So each is rounded alone at a few levels and the divergence is measured. Between bits it
is read off on a straight line of its logarithm; a group size, and another way to round, count as the factor that they
are at `MIDDLE` bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from optlab.methods import Value
from optlab.prediction.levels import Family
from optlab.results.probe import EndDamage

BITS = (2, 3, 4, 6, 8)
MIDDLE = 4
FINEST = 32
"""Weights of the smallest groups that are read off."""


def probed_levels(wanted: Sequence[Family]) -> list[tuple[Family, int]]:
    """The levels that a probe tries on each end: `BITS` of rounding in the usual groups, the first of the family, and
    `MIDDLE` bits of rounding by rows and of every other way to round."""
    rounding = [family for family in wanted if family.kind == "quantize"]
    main = next(family for family in rounding if family.method == "rtn")
    usual = main.levels[0]["group_size"]
    asked = [(main, bits, usual) for bits in BITS] + [(main, MIDDLE, None)]
    asked += [(family, MIDDLE, usual) for family in rounding if family is not main]
    return [
        (family, number)
        for family, bits, group in asked
        for number, level in enumerate(family.levels)
        if (level["bits"], level["group_size"]) == (bits, group)
    ]


def end_damage(known: Sequence[EndDamage], family: str, bits: int, group: Value, width: int) -> float | None:
    """Nats of rounding an end of `width` columns by a family, from what is known of it; None where that does not say.

    known: of one end, as a probe measured it, its main family first.
    """
    if not known:
        return None
    main, usual = known[0].family, known[0].group_size or width
    nats = {(one.family, one.bits, one.group_size or width): math.log(max(one.kl, 1e-9)) for one in known}
    along = sorted(at for of, at, size in nats if (of, size) == (main, usual))
    wanted = float(group or width)
    if not along[0] <= bits <= along[-1] or not min(FINEST, usual) <= wanted <= width:
        return None
    found = float(np.interp(bits, along, [nats[main, at, usual] for at in along]))
    if family != main:
        if (family, MIDDLE, usual) not in nats:
            return None
        found += nats[family, MIDDLE, usual] - nats[main, MIDDLE, usual]
    if wanted != usual:
        if usual == width or (main, MIDDLE, width) not in nats:
            return None
        rise = nats[main, MIDDLE, width] - nats[main, MIDDLE, usual]
        found += rise * math.log(wanted / usual) / math.log(width / usual)
    return math.exp(found)
