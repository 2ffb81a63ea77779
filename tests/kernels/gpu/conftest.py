"""Kernels for graphics cards run through Triton's interpreter here, which must be said before they are imported."""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")
