"""How torch's threads wait for each other: asleep. Two programs that wait by spinning take each other's cores.

Measured for one window of 512 tokens beside another program: 11.2 s spinning, 2.0 s asleep. OpenMP reads these
variables once, when torch is imported, so they are set before.
"""

from __future__ import annotations

import os

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def wait_asleep() -> None:
    """Let the threads of this process and its children wait asleep, unless the environment says how they wait."""
    for name, value in PASSIVE.items():
        os.environ.setdefault(name, value)
