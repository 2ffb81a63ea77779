"""Linear layers that keep their weights packed and are faster for it, and the honest choice between them.

Torch's CPU kernels know two packed forms: int8 with one scale per output row, and int4 with a scale and an offset per
group of 32, 64, 128 or 256 inputs. Where a recipe rounds activations to 8 bits too, whole numbers are multiplied by
whole numbers. `optlab.kernels.rule` decides which of them a layer gets; `pack` follows, and says what it did.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.kernels.rule import Kernel, Loop, int4_group, kernel_of, notes_for
from optlab.kernels.weights import Affine, Source
from optlab.models.inputs import InputFormat, round_inputs

ROW_BLOCK = 16
"""The int4 kernel wants rows in multiples of this; fewer are padded with zeros."""


class DenseLinear(nn.Module):
    """y = x W^T + b with W in 16 or 32 bits."""

    kernel = "dense"

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = weight.to(dtype)
        self.bias = None if bias is None else bias.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Int8Linear(nn.Module):
    """int8 codes, one scale per row; activations stay bfloat16 (weight-only)."""

    kernel = "int8"

    def __init__(self, weight: Affine, bias: Tensor | None) -> None:
        super().__init__()
        self.codes = (weight.codes.to(torch.int16) - 2 ** (weight.bits - 1)).to(torch.int8).contiguous()
        self.scale = weight.scale[:, 0].to(torch.bfloat16)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1]).to(torch.bfloat16)
        y = torch.ops.aten._weight_int8pack_mm(flat, self.codes, self.scale)
        y = y.view(*x.shape[:-1], -1).to(x.dtype)
        return y if self.bias is None else y + self.bias.to(x.dtype)


class Int8Products(nn.Module):
    """int8 codes, one scale per row, times int8 codes of the activations, summed in int32."""

    kernel = "int8x8"

    def __init__(self, weight: Affine, bias: Tensor | None, inputs: InputFormat) -> None:
        super().__init__()
        codes = (weight.codes.to(torch.int16) - 2 ** (weight.bits - 1)).to(torch.int8)
        # The kernel wants [in, out], and is fastest when each column lies in one piece.
        self.codes = codes.contiguous().T
        self.scale = weight.scale[:, 0].contiguous()
        self.bias, self.inputs = bias, inputs

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        step = self.inputs.step(flat)
        products = torch._int_mm(self.inputs.codes(flat, step).to(torch.int8), self.codes)
        y = products.float().mul_(step).mul_(self.scale).view(*x.shape[:-1], -1).to(x.dtype)
        return y if self.bias is None else y + self.bias.to(x.dtype)


class Int4Linear(nn.Module):
    """4-bit codes in groups; w = (code - 8) * scale + zero, scale and zero in bfloat16, as the kernel wants them."""

    kernel = "int4"

    def __init__(self, weight: Affine, bias: Tensor | None) -> None:
        super().__init__()
        codes, scale, offset = weight.tensors()
        self.rows = len(codes)
        self.group = int4_group(weight.group)
        repeat = weight.group // self.group
        scale, offset = (t.repeat_interleave(repeat, dim=1) for t in (scale, offset))
        missing = -self.rows % ROW_BLOCK
        codes, scale, offset = (F.pad(t, (0, 0, 0, missing)) for t in (codes, scale, offset))
        self.packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.to(torch.int32).contiguous(), 1)
        zero = offset + 8 * scale
        self.scales_and_zeros = torch.stack((scale.T, zero.T), dim=-1).to(torch.bfloat16).contiguous()
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1]).to(torch.bfloat16)
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, self.packed, self.group, self.scales_and_zeros)
        y = y[:, : self.rows].reshape(*x.shape[:-1], self.rows).to(x.dtype)
        return y if self.bias is None else y + self.bias.to(x.dtype)


class Stacked(nn.Module):
    """Layers of the same input whose formats differ, and which therefore run one after the other."""

    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], dim=-1)


def pack(
    sources: list[Source], dtype: torch.dtype, device: torch.device | str, loop: Loop = "torch"
) -> tuple[nn.Module, list[str], set[str]]:
    """One module for weights that share their input (q, k, v; gate, up), its notes, and the kernels it uses.

    Neighbours of one format become one call; output features keep the order of `sources`. loop: whose kernels.
    """
    runs: list[list[Source]] = []
    notes: list[str] = []
    kernels: list[Kernel] = []
    where = torch.device(device).type
    for source in sources:
        layer = source.format
        kernel = kernel_of(layer, loop, where)
        notes += [note for note in notes_for(layer, loop, where) if note not in notes]
        if runs and kernels[-1] == kernel and _stackable(runs[-1][-1], source, kernel, loop):
            runs[-1].append(source)
        else:
            runs.append([source])
            kernels.append(kernel)
    modules = [_build(run, kernel, dtype, device, loop) for run, kernel in zip(runs, kernels, strict=True)]
    return (modules[0] if len(modules) == 1 else Stacked(modules)), notes, set(kernels)


def _stackable(a: Source, b: Source, kernel: Kernel, loop: Loop) -> bool:
    if (a.bias is None) != (b.bias is None) or a.inputs != b.inputs:
        return False
    if kernel == "dense":
        return True
    assert a.stored is not None
    assert b.stored is not None
    if loop == "triton":
        return (a.stored.zero, a.stored.scale.shape[1], a.stored.scale.dtype) == (
            b.stored.zero, b.stored.scale.shape[1], b.stored.scale.dtype
        )  # fmt: skip
    return a.stored.scale.shape[1] == b.stored.scale.shape[1] and (kernel == "int4" or a.stored.bits == b.stored.bits)


def _build(run: list[Source], kernel: Kernel, dtype: torch.dtype, device: torch.device | str, loop: Loop) -> nn.Module:
    if loop == "triton" and run[0].inputs is None:
        from optlab.kernels.gpu.linear import TritonLinear  # Triton is not installed everywhere

        return TritonLinear(run, kernel, dtype, device)
    bias = None if run[0].bias is None else torch.cat([s.bias for s in run if s.bias is not None]).to(device)
    if kernel == "dense":
        dense = DenseLinear(torch.cat([s.values() for s in run]).to(device), bias, dtype)
        if run[0].inputs is not None:
            round_inputs(dense, run[0].inputs)
        return dense
    weights = [Affine.of(s.stored) for s in run if s.stored is not None]
    whole = weights[0]
    for weight in weights[1:]:
        whole = whole.stack(weight)
    if kernel == "int8x8" and run[0].inputs is not None:
        return Int8Products(whole, bias, run[0].inputs)
    return Int4Linear(whole, bias) if kernel == "int4" else Int8Linear(whole, bias)
