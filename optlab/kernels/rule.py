"""Which kernel multiplies a layer of a given format: the rule that runtimes follow and predictions read. Torch-free.

Three loops multiply by packed weights. On a processor, ours in C++ ("native") reads codes of 4 and of 8 bits in any
groups of a multiple of 32. Torch's operators ("torch") know 4 bits in such groups, and 8 bits with one symmetric scale
per row. On a graphics card Triton kernels ("triton") read 4 and 8 bits in any groups that fill words of 32 bits. Fewer
bits are stretched to the next of these, with the same weights but the speed of the wider; all other formats are
multiplied as dense 16-bit numbers. Where a layer rounds what it reads too, whole numbers are multiplied by whole
numbers on a processor ("int8x8"), for symmetric rows.
"""

from __future__ import annotations

from typing import Literal

from optlab.formats.linear_format import LinearFormat
from optlab.messages import say

Kernel = Literal["dense", "int8", "int4", "int8x8"]
Loop = Literal["native", "torch", "triton"]
KERNELS: tuple[Kernel, ...] = ("dense", "int8", "int4", "int8x8")

NATIVE_PATH = say("own runtime in C++")
"""How the `path` of a runtime begins whose weights the C++ loop reads."""
TRITON_PATH = say("own runtime, Triton kernels in one CUDA graph")
"""How the `path` of a runtime begins that decodes on a graphics card."""
BLOCK = 32
"""Inputs that every kernel of packed weights multiplies at once: groups of 4-bit codes, and all groups of the C++ loop,
are multiples of it."""
NATIVE_ROW = 64
"""The C++ loop keeps codes of 4 bits in rows of whole multiples of this."""
INT4_GROUPS = (256, 128, 64, 32)
"""Group sizes of torch's 4-bit kernel; of larger ones the scales are repeated."""
WORD_OF_INT4, WORD_OF_INT8 = 8, 4
"""Codes in the words of 32 bits that Triton kernels read."""
INT8_COLUMNS = 16
"""Torch's int8 kernel reads this many inputs at once, and past the end of any other width."""


def loop_of(path: str) -> Loop:
    """The loop of a runtime, from what it says of itself (`Runtime.path`)."""
    return "native" if path.startswith(NATIVE_PATH) else "triton" if path.startswith(TRITON_PATH) else "torch"


def kernel_of(layer: LinearFormat, loop: Loop, device: str = "cpu") -> Kernel:
    """The kernel that multiplies `layer` in `loop`. device: where torch's operators run: "cpu", or another, for which
    they pack nothing."""
    if layer.bits is None or (loop == "torch" and device != "cpu"):
        return "dense"
    if loop == "triton":
        kernel: Kernel = "int4" if layer.bits <= 4 else "int8"
        # The largest power of two in a group must fill a word.
        fits = layer.group & -layer.group >= (WORD_OF_INT4 if kernel == "int4" else WORD_OF_INT8)
        return kernel if fits and layer.activation_bits is None else "dense"
    symmetric_rows = layer.symmetric and layer.per_row
    if loop == "native":
        if layer.group % BLOCK or not layer.scales_in_float16:
            return "dense"
        if layer.bits <= 4:
            return "int4"
        return "int8x8" if symmetric_rows and layer.activation_bits is not None else "int8"
    if layer.activation_bits is not None:
        return "int8x8" if symmetric_rows else "dense"
    if layer.bits <= 4 and layer.group % BLOCK == 0:
        return "int4"
    return "int8" if symmetric_rows and layer.width % INT8_COLUMNS == 0 else "dense"


def notes_for(layer: LinearFormat, loop: Loop, device: str = "cpu") -> list[str]:
    """A sentence for each thing about `layer` that has no kernel of its own; empty where it has one."""
    kernel, bits, inputs = kernel_of(layer, loop, device), layer.bits, layer.activation_bits
    notes: list[str] = []
    if kernel == "int8x8" and loop == "torch" and (bits, inputs) != (8, 8):
        return [
            say(
                "{bits} times {inputs} bits have no kernel: timed stretched to 8 times 8 bits", bits=bits, inputs=inputs
            )
        ]
    if bits is not None and kernel != "dense":
        room = 4 if kernel == "int4" else 8
        if bits != room:
            notes.append(say("{bits} bits have no kernel: timed stretched to {room} bits", bits=bits, room=room))
    elif bits is not None and loop == "torch" and device != "cpu":
        notes.append(say("{bits} bits have no kernel on this device here: timed as dense 16-bit numbers", bits=bits))
    elif bits is not None and loop == "native" and layer.group % BLOCK == 0:
        notes.append(
            say("{bits} bits with scales beyond float16 have no kernel: timed as dense 16-bit numbers", bits=bits)
        )
    elif bits is not None and inputs is None:
        kind = say("symmetric grid") if layer.symmetric else say("grid with zero points")
        where = say("one scale per row") if layer.per_row else say("groups of {group}", group=layer.group)
        notes.append(
            say(
                "{bits} bits, {kind}, {where} have no kernel: timed as dense 16-bit numbers",
                bits=bits,
                kind=kind,
                where=where,
            )
        )
    if inputs is not None and kernel != "int8x8":
        notes.append(
            say("activations are rounded and then multiplied as dense 16-bit numbers: no kernel for this format")
        )
    return notes


def bytes_read(kernel: Kernel, loop: Loop, layer: LinearFormat, rows: int) -> int:
    """Bytes of codes, scales and offsets that one token reads of a layer with so many rows, bias and padding of rows
    aside. Dense numbers count as 16 bits."""
    width, groups = layer.width, layer.width // layer.group
    if kernel == "dense":
        return 2 * rows * width
    if loop == "triton":
        return rows * ((width // 2 if kernel == "int4" else width) + groups * (2 if layer.symmetric else 3))
    if loop == "native":
        codes = -(-width // NATIVE_ROW) * NATIVE_ROW // 2 if kernel == "int4" else width
        return rows * (codes + groups * (2 if layer.symmetric else 4))
    if kernel == "int4":
        return rows * (width // 2 + 4 * (width // int4_group(layer.group)))
    return rows * (width + (4 if kernel == "int8x8" else 2))


def int4_group(group: int) -> int:
    """The group size with which torch's 4-bit kernel reads groups of `group`, a multiple of `BLOCK`."""
    return next(size for size in INT4_GROUPS if group % size == 0)
