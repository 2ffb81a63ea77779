"""The table of kinds of runs: what is in it can be done, what is not is refused with a sentence."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from optlab.errors import OptLabError
from optlab.jobs.registry import KINDS, kind_of


def test_a_kind_is_found_by_its_name() -> None:
    assert [kind_of(name).name for name in KINDS] == list(KINDS)


def test_an_unknown_kind_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(OptLabError, match=r"cannot do runs of kind 'telepathy'; it does measure, .*probe"):
        kind_of("telepathy")


def test_modules_that_a_worker_imports_before_its_first_run_exist_and_bring_torch() -> None:
    modules = sorted({module for kind in KINDS.values() for module in kind.modules})
    assert [module for module in modules if find_spec(module) is None] == []
    code = (
        "import sys; from optlab.jobs.registry import KINDS; assert 'torch' not in sys.modules\n"
        f"import {', '.join(modules)}; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
