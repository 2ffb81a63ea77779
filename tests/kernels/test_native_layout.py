"""Structures that Python hands to C++ are those that C++ reads, whoever adds a field to either."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from optlab.kernels.native import library as built
from optlab.kernels.native.layout import assertions
from optlab.machine.processor import cpu_flags

COMPILER = next((path for name in built.COMPILERS if (path := shutil.which(name))), None)
HEADER = "struct Pair { int32_t left; float right; void* in; };\n"

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")


def structure(*fields: tuple[str, type]) -> type[ctypes.Structure]:
    return type("Pair", (ctypes.Structure,), {"_fields_": fields})


def complaint(kind: type[ctypes.Structure], folder: Path, header: str = HEADER) -> str:
    """What the compiler says about `kind` beside the C++ of `header`; empty when it takes it."""
    (folder / "pair.h").write_text("#include <cstdint>\n" + header)
    (folder / "check.cpp").write_text(assertions([kind], ["pair.h"]))
    assert COMPILER is not None
    command = [COMPILER, "-std=c++17", "-fsyntax-only", str(folder / "check.cpp")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr


@needs_compiler
def test_the_same_fields_are_taken(tmp_path: Path) -> None:
    same = structure(("left", ctypes.c_int32), ("right", ctypes.c_float), ("in_", ctypes.c_void_p))
    assert complaint(same, tmp_path) == ""


@needs_compiler
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ((("right", ctypes.c_float), ("left", ctypes.c_int32), ("in_", ctypes.c_void_p)), "Pair.right"),
        ((("left", ctypes.c_int64), ("right", ctypes.c_float), ("in_", ctypes.c_void_p)), "Pair.left"),
        ((("left", ctypes.c_int32), ("right", ctypes.c_float)), "Pair"),
        ((("left", ctypes.c_int32), ("other", ctypes.c_float), ("in_", ctypes.c_void_p)), "other"),
    ],
)
def test_other_fields_are_named(fields: tuple[tuple[str, type], ...], named: str, tmp_path: Path) -> None:
    assert named in complaint(structure(*fields), tmp_path)


@needs_compiler
def test_a_field_of_cpp_alone_does_not_hide_in_the_padding(tmp_path: Path) -> None:
    fields = structure(("left", ctypes.c_void_p), ("right", ctypes.c_float))
    header = "struct Pair { void* left; float right; int32_t added; };\n"
    assert "3" in complaint(fields, tmp_path, header)
    assert complaint(fields, tmp_path, header.replace(" int32_t added;", "")) == ""


@pytest.mark.skipif(
    COMPILER is None or not set(built.NEEDED) <= cpu_flags(), reason="this machine cannot run the C++ loop"
)
def test_the_library_is_built_where_it_can_be() -> None:
    """Elsewhere tests of the loop are skipped; here that would hide that it no longer compiles."""
    assert built.library()[1] == ""
