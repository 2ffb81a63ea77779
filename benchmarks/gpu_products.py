"""Every way to cut a product of one token with a weight, timed on a card: bytes a second of each, the fastest first.

    python -m benchmarks.gpu_products [--shapes 4096x4096 14336x4096] [--bits 4 8] [--processes 8]

What `kernels.gpu.tuning` chooses from, with all the times it throws away: which kernel wins, by how much, and which
cuts never do. Kernels are compiled by several processes first, because that takes far longer than the timing. On a
processor it runs through Triton's interpreter where TRITON_INTERPRET is 1, and says that its times mean nothing.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.gpu.linear import TritonLinear
from optlab.kernels.gpu.tuning import FLUSHED, Cut, milliseconds
from optlab.kernels.norm import Norm
from optlab.kernels.weights import Source

SHAPES = ("4096x4096", "1024x4096", "28672x4096", "4096x14336", "576x576", "3072x576", "576x1536")
"""Outputs and inputs of the products of Llama-3.1-8B and of SmolLM2-135M."""
GROUP = 64
Case = tuple[str, int, bool, str]
"""A shape, bits (16: bfloat16), whether an RMS norm is taken along, and the device."""


def layer_of(shape: str, bits: int, device: str) -> TritonLinear:
    """A layer of random codes, or of random bfloat16 numbers."""
    outputs, inputs = map(int, shape.split("x"))
    W = torch.empty(outputs, inputs)
    if bits == 16:
        return TritonLinear([Source(W.normal_(), None, None)], "dense", torch.bfloat16, device)
    codes = torch.randint(1 << bits, W.shape, dtype=torch.uint8)
    scale = torch.rand(outputs, inputs // GROUP).half()
    zero_point = torch.randint(1 << bits, scale.shape, dtype=torch.uint8)
    stored = QuantizedTensor(codes, scale, zero_point, bits, GROUP)
    return TritonLinear([Source(W, None, stored)], "int4" if bits == 4 else "int8", torch.bfloat16, device)


def runs(case: Case) -> tuple[TritonLinear, Iterator[tuple[Cut, float]]]:
    """The layer of a case, and milliseconds of each of its cuts."""
    shape, bits, normed, device = case
    layer = layer_of(shape, bits, device)
    x = torch.randn(1, layer.inputs, device=device).bfloat16()
    norm = Norm(torch.ones_like(x[0]), None, 1e-5, False) if normed else None
    scratch = torch.empty(FLUSHED if x.is_cuda else 0, dtype=torch.uint8, device=device)

    def once(cut: Cut) -> None:
        layer.multiply(x, norm, cut=cut)

    def times() -> Iterator[tuple[Cut, float]]:
        for cut in layer.cuts(x):
            if x.is_cuda:
                yield cut, milliseconds(cut, once, scratch)
            else:
                began = time.perf_counter()
                once(cut)
                yield cut, 1000 * (time.perf_counter() - began)

    return layer, times()


def compiled(case: Case) -> None:
    """Leave the kernels of a case in Triton's cache."""
    for _ in runs(case)[1]:
        pass


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_products")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shapes", nargs="*", default=SHAPES)
    parser.add_argument("--bits", nargs="*", type=int, default=[16, 4], choices=[16, 8, 4])
    parser.add_argument("--processes", type=int, default=8)
    chosen = parser.parse_args()
    cases = [*itertools.product(chosen.shapes, chosen.bits, (True, False), (chosen.device,))]
    if chosen.device == "cuda":
        with ProcessPoolExecutor(chosen.processes, get_context("spawn")) as pool:
            list(pool.map(compiled, cases))
    on_card = chosen.device == "cuda"
    print(torch.cuda.get_device_name() if on_card else "a processor: its times mean nothing", end="\n\n", flush=True)
    print("| product | cut | us | GB/s |\n|---|---|---|---|", flush=True)
    for case in cases:
        layer, times = runs(case)
        for cut, ms in sorted(times, key=lambda one: one[1]):
            kind = "tensor cores" if cut.tensor else "threads"
            what = f"{case[0]}, {case[1]} bits{', norm' if case[2] else ''}"
            cuts = f"{kind}, {cut.rows} rows, {cut.inputs} inputs, {cut.warps} warps, {cut.stages} stages"
            print(f"| {what} | {cuts} | {1000 * ms:.1f} | {layer.bytes / ms / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
