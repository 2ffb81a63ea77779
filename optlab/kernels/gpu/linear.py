"""A linear layer on a graphics card: packed or dense, one input at a time by `products`, many by a large product.

One token reads codes and never writes a weight out. A prompt is a large product of matrices, for which some rows of
the weight at a time are expanded into floats, so that nothing is stored twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.gpu import layout, products, tensor_cores
from optlab.kernels.gpu.tuning import DENSE, INTERPRETED, PACKED, TENSOR, Cut, fastest
from optlab.kernels.norm import Norm
from optlab.kernels.rule import Kernel
from optlab.kernels.weights import Source

TILE = 1 << 25
"""Numbers of a weight that are expanded at once for a prompt: 64 MB in 16 bits."""
WIDTHS: dict[Kernel, int] = {"int4": 4, "int8": 8}
EXPANDING = Cut(4, 1024, 4)
"""How `products.expand` is cut on a card."""


class TritonLinear(nn.Module):
    """y = x W^T + b of one or several weights that share their input, one above the other."""

    def __init__(self, sources: list[Source], kernel: Kernel, dtype: torch.dtype, device: torch.device | str) -> None:
        """sources: of one format (`optlab.kernels.linear.pack`). dtype: of a dense weight."""
        super().__init__()
        self.kernel, self.gated = kernel, False
        self.weight: Tensor
        self.outputs, self.inputs = sum(len(one.weight) for one in sources), sources[0].weight.shape[1]
        biases = [one.bias for one in sources if one.bias is not None]
        self.bias = torch.cat(biases).detach().to(device, dtype) if biases else None
        self.scales: Tensor | None = None
        self.zeros: Tensor | None = None
        if kernel == "dense":
            values = [one.values().to(device, dtype) for one in sources]
            self.weight = torch.cat(values) if len(values) > 1 else values[0].contiguous()
            return
        stored = [one.stored for one in sources if one.stored is not None]
        self.bits, self.zero = WIDTHS[kernel], stored[0].zero
        self.group = stored[0].group_size or self.inputs
        block = layout.block_size(self.group, self.bits)
        assert block is not None, "`kernel_of` has packed what has no blocks"
        self.block = block
        self.weight = torch.cat([layout.into_words(self._codes(one).to(device), self.bits, block) for one in stored])
        self.scales = torch.cat([one.scale for one in stored]).to(device).contiguous()
        if self.zero != "none":
            points = [one.zero_point for one in stored if one.zero_point is not None]
            self.zeros = torch.cat(points).to(device).contiguous()

    def _codes(self, stored: QuantizedTensor) -> Tensor:
        """Codes as a word of `bits` holds them; without zero points the middle one is 0, whatever the bits."""
        if self.zero != "none":
            return stored.codes
        return stored.codes + ((1 << (self.bits - 1)) - (1 << (stored.bits - 1)))

    @property
    def bytes(self) -> int:
        """What one token reads of it."""
        parts = (self.weight, self.scales, self.zeros, self.bias)
        return sum(part.numel() * part.element_size() for part in parts if part is not None)

    def interleave(self) -> None:
        """Let rows of the upper half, gates, lie beside theirs of the lower, so that one program has both."""

        def mixed(rows: Tensor) -> Tensor:
            return torch.stack(rows.chunk(2), dim=1).flatten(0, 1).contiguous()

        self.weight, self.gated = mixed(self.weight), True
        self.scales, self.zeros, self.bias = (
            None if part is None else mixed(part) for part in (self.scales, self.zeros, self.bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.inputs)
        y = self.multiply(flat) if len(flat) == 1 and not self.gated else self._many(flat)
        return y.view(*x.shape[:-1], self.outputs)

    def multiply(
        self,
        x: Tensor,
        norm: Norm | None = None,
        activation: str = "none",
        scale: float = 1.0,
        residual: Tensor | None = None,
        cut: Cut | None = None,
    ) -> Tensor:
        """residual + scale * activation(W norm(x) + b) of one input x [1, in]: [1, out]; of an interleaved weight
        activation(gate) * up, [1, out / 2]. norm: an RMS norm or None. cut: one of `cuts`; None is the fastest."""
        outputs = self.outputs // 2 if self.gated else self.outputs
        out = torch.empty(1, outputs, dtype=x.dtype, device=x.device)
        flags = {
            "NORM": norm is not None, "BIAS": self.bias is not None, "RESIDUAL": residual is not None,
            "ACTIVATION": activation, "GATED": self.gated,
        }  # fmt: skip
        gain, eps = (x, 0.0) if norm is None else (norm.weight, norm.eps)
        bias, added = x if self.bias is None else self.bias, x if residual is None else residual

        def launch(cut: Cut) -> None:
            programs = (-(-self.outputs // cut.rows),)
            sizes = {"ROWS": cut.rows, "INPUTS": cut.inputs, "num_warps": cut.warps, "num_stages": cut.stages}
            if self.kernel == "dense":
                products.dense_product[programs](
                    x, gain, self.weight, bias, added, out, self.outputs, self.inputs, eps, scale, **flags, **sizes
                )
                return
            kernel = products.packed_product
            constants: tuple[float, ...] = (products.EXPONENT,)
            if cut.tensor:
                kernel, constants = tensor_cores.tensor_product, tensor_cores.POWERS[x.dtype]
                sizes["INTERPRETED"] = not x.is_cuda
            kernel[programs](
                x, gain, self.weight, self.scales, self._zeros(), bias, added, out, self.outputs, self.inputs, eps,
                scale, *constants, **flags, **self._format(), **sizes,
            )  # fmt: skip

        key = (self.kernel, self.outputs, self.inputs, x.dtype, *flags.values(), *self._key(), x.device)
        launch(cut or fastest(key, self.cuts(x), x.device, launch))
        return out

    def cuts(self, x: Tensor) -> tuple[Cut, ...]:
        """Ways to cut a product with x that may be the fastest on its device."""
        tensor = self.kernel == "int4" and self.block >= tensor_cores.SMALLEST_BLOCK and x.dtype in tensor_cores.POWERS
        if not x.is_cuda:
            return (replace(INTERPRETED, tensor=tensor),)
        if self.kernel == "dense":
            return DENSE
        # Tensor cores multiply bfloat16 since capability 8.0.
        return TENSOR + PACKED if tensor and torch.cuda.get_device_capability(x.device) >= (8, 0) else PACKED

    def _key(self) -> tuple[Any, ...]:
        return () if self.kernel == "dense" else tuple(self._format().values())

    def _zeros(self) -> Tensor | None:
        return self.scales if self.zeros is None else self.zeros

    def _format(self) -> dict[str, Any]:
        return {"BITS": self.bits, "GROUP": self.group, "BLOCK": self.block, "ZERO": self.zero}

    def _many(self, x: Tensor) -> Tensor:
        """x [T, in] -> [T, out], gates before the others."""
        if self.kernel == "dense":
            y = F.linear(x, self.weight)
        else:
            y = torch.empty(len(x), self.outputs, dtype=x.dtype, device=x.device)
            rows = max(1, TILE // self.inputs)
            for first in range(0, self.outputs, rows):
                some = slice(first, min(first + rows, self.outputs))
                y[:, some] = F.linear(x, self.expanded(some, x.dtype))
        if self.bias is not None:
            y = y + self.bias.to(y.dtype)
        return torch.cat(y.unflatten(-1, (-1, 2)).unbind(-1), dim=-1) if self.gated else y

    def expanded(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """Rows of a packed weight as numbers [rows, in], in the order in which they are kept."""
        out = torch.empty(rows.stop - rows.start, self.inputs, dtype=dtype, device=self.weight.device)
        cut = EXPANDING if out.is_cuda else INTERPRETED
        programs = -(-len(out) // cut.rows), -(-self.inputs // cut.inputs)
        products.expand[programs](
            self.weight, self.scales, self._zeros(), out, rows.start, rows.stop, self.inputs, **self._format(),
            ROWS=cut.rows, INPUTS=cut.inputs, num_warps=cut.warps,
        )  # fmt: skip
        return out
