"""Joules that the processor used, where it counts them (RAPL, through Linux's powercap).

The counter is that of whole processor packages: everything that runs on the machine is in it, which is why it is read
only while a latency is measured alone. Since 2020 only root may read it; where it cannot be read, there is no figure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
PACKAGE = re.compile(r"intel-rapl:\d+")
"""AMD's processors are listed under Intel's name too. Zones below a package (cores, memory) are part of it or, on
desktops, not counted at all."""


@dataclass(frozen=True)
class Zone:
    """One package: the file with its microjoules, and the count at which it begins again from 0."""

    counter: Path
    range: int


class Meter:
    """Sums packages. `read` before and after, `joules` for what lies between."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.zones = tuple(zones)

    def read(self) -> list[int]:
        """Microjoules of each package. Raises OSError when the counter went away."""
        return [int(zone.counter.read_text()) for zone in self.zones]

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        """Between two readings less than one turn of the counter apart (minutes at least)."""
        turned = zip(self.zones, before, after, strict=True)
        return sum((end - start) % zone.range for zone, start, end in turned) / 1e6


def meter(root: Path = POWERCAP) -> Meter | None:
    """A meter of all packages; None where the machine does not count, or not for us."""
    zones = []
    try:
        for folder in sorted(root.iterdir()):
            if PACKAGE.fullmatch(folder.name) and (folder / "name").read_text().startswith("package"):
                zones.append(Zone(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text()) + 1))
        found = Meter(zones)
        found.read()
    except (OSError, ValueError):
        return None
    return found if zones else None
