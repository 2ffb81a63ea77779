"""What all tests share: property tests draw the same examples each time, so a change is judged by what it changed.

`--hypothesis-profile=search` draws new ones; run it now and then, and keep what it finds as an `@example`.
"""

import os
from collections import Counter
from typing import Any

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=500)
settings.load_profile("steady")


if "PYTEST_XDIST_WORKER" in os.environ:  # each of two processes has half of the machine
    import torch

    torch.set_num_threads(1)


FIGURES = ("kills", "trainings resumed", "runs lost", "caches damaged", "damaged caches believed", "disks filled",
           "full disks that cost a result")  # fmt: skip


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures of tests/hostile and tests/chaos: what tests recorded with `record_property`, added up."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, [])]
    tried = Counter(value for one in reports for name, value in one.user_properties if name == "hostile")
    if tried:
        terminalreporter.write_line(
            f"hostile inputs tried {tried.total()}: tracebacks {tried['traceback']}, hangs over 10 s {tried['hang']}, "
            f"memory over 1 GB {tried['memory']}; {tried['sentence']} sentences, {tried['right']} right answers"
        )
    for name in FIGURES:
        found = [value for one in reports for key, value in one.user_properties if key == name]
        if found:
            terminalreporter.write_line(f"{name}: {sum(found)}")
