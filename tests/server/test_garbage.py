"""What was imported is looked at once by the garbage collector, not after every rerun."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest

from pages.components.server import garbage


def test_new_modules_are_taken_out_once_and_nothing_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(garbage, "_settled", 0)
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(len(sys.modules)))
    garbage.settle()
    garbage.settle()
    assert len(frozen) == 1
    for number in range(garbage.MANY - 1):
        monkeypatch.setitem(sys.modules, f"a new module {number}", ModuleType("x"))
    garbage.settle()
    assert len(frozen) == 1
    monkeypatch.setitem(sys.modules, "one more new module", ModuleType("x"))
    garbage.settle()
    assert len(frozen) == 2
