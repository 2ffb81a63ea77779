"""OptLab: compress a language model, and measure what it cost and what it saved.

    import optlab
    found = optlab.measure("nano", {"quantize": {"bits": 4}})
    found.delta.ppl_ratio, found.compressed.size_bytes

The package reads like a chapter: `recipes` says what to do, `models` to whom, `texts` on which words, `calibrate` what
the model does to its inputs, `quantize`, `prune` and `distill` how, `formats` how numbers are stored, `kernels` runs
the result, `jobs` and `store` remember it. Importing this package imports nothing else: what is offered here is read
from `optlab.api` when it is asked for, and torch when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optlab.api import compare, compress, evaluate, export, frontier, load, measure, predict
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe

__version__ = "0.2.0"

__all__ = [
    "Protocol",
    "Recipe",
    "compare",
    "compress",
    "evaluate",
    "export",
    "frontier",
    "load",
    "measure",
    "predict",
]

_WHERE = {"Recipe": "optlab.recipes", "Protocol": "optlab.protocol"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'optlab' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE.get(name, "optlab.api")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
