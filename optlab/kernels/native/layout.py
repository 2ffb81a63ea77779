"""The same structures in Python and in C++: compared by the compiler, field by field, whenever the library is built.

ctypes and C++ each lay a structure out from their own list of fields. A field that only one of them has, or has
elsewhere, would be read as another's bytes without a word; here it is an error of compilation that names the field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable


def assertions(structures: Iterable[type[ctypes.Structure]], headers: Iterable[str]) -> str:
    """C++ that compiles only where each structure has the size, and each field the offset and size, that ctypes says.

    structures: of the same names as in C++, and with the same names of fields (a `_` at the end is a Python keyword's).
    headers: where C++ declares them.
    """
    lines = ["#include <cstddef>", *(f'#include "{header}"' for header in headers)]
    for structure in structures:
        name = structure.__name__
        lines.append(f'static_assert(sizeof({name}) == {ctypes.sizeof(structure)}, "{name}");')
        fields = [field[0] for field in structure._fields_]
        for field in fields:
            place, member = getattr(structure, field), field.rstrip("_")
            lines += [
                f'static_assert(offsetof({name}, {member}) == {place.offset}, "{name}.{member}");',
                f'static_assert(sizeof({name}::{member}) == {place.size}, "{name}.{member}");',
            ]
        # A binding takes exactly as many names as there are fields: none hides in the padding.
        names = ", ".join(f"f{number}" for number in range(len(fields)))
        lines.append(f"void every_field(const {name}& one) {{ const auto& [{names}] = one; (void)f0; }}")
    return "\n".join(lines) + "\n"
