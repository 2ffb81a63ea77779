"""Machines that people run models on, with the figures of their makers' data sheets.

A bandwidth is the highest that the memory allows, which no program quite reaches; the shares in `observed` say how much
of it programs use. Where a maker states a transfer rate and a width instead, the bandwidth is their product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optlab.errors import OptLabError
from optlab.messages import Message, say

Kind = Literal["card", "laptop", "phone", "board", "own"]
GIGA, TERA = 10**9, 10**12
GIBI = 1 << 30


@dataclass(frozen=True)
class Device:
    """memory_bytes: all of it; where processor and graphics share it, system and programs take their part. bandwidth:
    bytes a second. flops: dense 16-bit operations a second with sums in float32; None where no data sheet says it.
    source: where the figures stand."""

    name: str
    title: str | Message
    kind: Kind
    memory_bytes: int
    bandwidth: float
    flops: float | None
    source: str | Message


def _card(name: str, title: str, memory: int, bandwidth: float, flops: float | None, source: str) -> Device:
    return Device(name, title, "card", memory * GIBI, bandwidth * GIGA, None if flops is None else flops * TERA, source)


def _shared(kind: Kind, name: str, title: str | Message, memory: int, bandwidth: float, source: str) -> Device:
    return Device(name, title, kind, memory * GIBI, bandwidth * GIGA, None, source)


DEVICES = (
    _card("h200", "NVIDIA H200 SXM", 141, 4800, 989, "NVIDIA H200 data sheet"),
    _card("h100", "NVIDIA H100 SXM", 80, 3350, 989, "NVIDIA H100 data sheet"),
    _card("a100", "NVIDIA A100 80GB SXM", 80, 2039, 312, "NVIDIA A100 data sheet"),
    _card("mi300x", "AMD Instinct MI300X", 192, 5300, 1307, "AMD Instinct MI300X data sheet"),
    _card("l40s", "NVIDIA L40S", 48, 864, 362, "NVIDIA L40S data sheet"),
    _card("l4", "NVIDIA L4", 24, 300, 121, "NVIDIA L4 data sheet"),
    _card("rtx4090", "NVIDIA GeForce RTX 4090", 24, 1008, 165, "NVIDIA Ada GPU architecture white paper"),
    _card("rtx3090", "NVIDIA GeForce RTX 3090", 24, 936, 71, "NVIDIA Ampere GA102 white paper"),
    _card("rtx3060", "NVIDIA GeForce RTX 3060 12GB", 12, 360, None, "NVIDIA GeForce RTX 3060 specifications"),
    _shared("laptop", "m4max", "Apple M4 Max, 64 GB", 64, 546, "Apple M4 Max technical specifications"),
    _shared("laptop", "m4", "Apple M4, 16 GB", 16, 120, "Apple M4 technical specifications"),
    _shared("laptop", "m2", "Apple M2, 8 GB", 8, 100, "Apple M2 technical specifications"),
    _shared("laptop", "ddr5", say("PC, two channels of DDR5-5600, 32 GB"), 32, 89.6,
            "JEDEC JESD79-5: 5600 MT/s, 128 bits"),
    _shared("laptop", "ddr4", say("PC, two channels of DDR4-3200, 16 GB"), 16, 51.2,
            "JEDEC JESD79-4: 3200 MT/s, 128 bits"),
    _shared("phone", "snapdragon8gen3", say("Phone with Snapdragon 8 Gen 3, 12 GB"), 12, 76.8,
            "Qualcomm Snapdragon 8 Gen 3 product brief: LPDDR5X at 4800 MHz, 64 bits"),
    _shared("phone", "lpddr4x", say("Phone with LPDDR4X-4266, 6 GB"), 6, 34.1, "JEDEC JESD209-4-1: 4266 MT/s, 64 bits"),
    _shared("board", "orinnano", "NVIDIA Jetson Orin Nano 8GB", 8, 68, "NVIDIA Jetson Orin Nano data sheet"),
    _shared("board", "agxorin", "NVIDIA Jetson AGX Orin 64GB", 64, 204.8, "NVIDIA Jetson AGX Orin data sheet"),
    _shared("board", "pi5", "Raspberry Pi 5, 8 GB", 8, 17.1,
            "Raspberry Pi 5 product brief: LPDDR4X-4267, 32 bits"),
)  # fmt: skip
"""Largest first of each kind."""


def device(name: str) -> Device:
    """The listed device of that name. Raises OptLabError when there is none."""
    found = next((one for one in DEVICES if one.name == name.lower()), None)
    if found is None:
        raise OptLabError(
            "there is no target {name!r}; there are {known}", name=name, known=", ".join(one.name for one in DEVICES)
        )
    return found


def own(memory_gb: float, bandwidth_gb_s: float, tflops: float | None = None) -> Device:
    """A device of one's own numbers, in units of 10^9. Raises OptLabError unless they are above 0 and finite."""
    for number in (memory_gb, bandwidth_gb_s, *([] if tflops is None else [tflops])):
        if not 0 < number < 1e9:
            raise OptLabError(
                "memory, bandwidth and speed of a target are numbers above 0, not {number}", number=number
            )
    return Device(
        "own", say("{memory:g} GB at {bandwidth:g} GB/s", memory=memory_gb, bandwidth=bandwidth_gb_s), "own",
        round(memory_gb * GIGA), bandwidth_gb_s * GIGA, None if tflops is None else tflops * TERA,
        say("your own numbers"),
    )  # fmt: skip
