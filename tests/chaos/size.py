"""How much chaos: a little in CI, and as much as `OPTLAB_CHAOS` says of a whole hundred (`make chaos`)."""

from __future__ import annotations

import os


def size(in_ci: int, of_hundred: int) -> int:
    """in_ci: where nobody asked for more. of_hundred: with OPTLAB_CHAOS=100."""
    asked = os.environ.get("OPTLAB_CHAOS")
    return -(-of_hundred * int(asked) // 100) if asked else in_ci
