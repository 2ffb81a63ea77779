"""What all tests share: property tests draw the same examples each time, so a change is judged by what it changed.

`--hypothesis-profile=search` draws new ones; run it now and then, and keep what it finds as an `@example`.
"""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=500)
settings.load_profile("steady")


if "PYTEST_XDIST_WORKER" in os.environ:  # each of two processes has half of the machine
    import torch

    torch.set_num_threads(1)
