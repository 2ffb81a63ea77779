"""Why a rerun of nothing cost 80 ms: Streamlit collects garbage after each, and looks at everything that was imported.

Modules, classes and functions (some 700,000 objects once plots and models are loaded) are never garbage. They are taken
out of what the collector looks at when a page has brought new ones along.
"""

from __future__ import annotations

import gc
import sys
import threading

MANY = 20
"""So many new modules are worth a look at everything."""

_settled = 0
_settling = threading.Lock()


def settle() -> None:
    """Call after a page was run; does nothing unless that imported modules."""
    global _settled
    with _settling:
        if len(sys.modules) < _settled + MANY:
            return
        _settled = len(sys.modules)
        gc.collect()  # what is garbage now would stay for ever
        gc.freeze()
