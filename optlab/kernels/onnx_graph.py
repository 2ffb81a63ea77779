"""An ONNX graph written node by node: names, constants, and weights in the smallest form that is exact.

Built directly and not traced from torch, because the point of an export is what a trace loses: codes stay codes, for
ONNX Runtime's operator `MatMulNBits`, and any number of earlier tokens can be given as keys and values.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from optlab.formats.integer_tensor import QuantizedTensor

OPSET, MICROSOFT = 20, "com.microsoft"
SMALLEST_BLOCK, LARGEST_BLOCK = 16, 256
"""Weights that may share a scale in `MatMulNBits`; powers of two."""
FULL_PRECISION = 1
"""Its `accuracy_level`: activations are not rounded."""


class Graph:
    """Nodes and constants as they are added. kinds: how many weights are written in which form."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.kinds: Counter[str] = Counter()
        self._names: Counter[str] = Counter()

    def add(self, kind: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> Any:
        """A node; the name of its output, or a list of their names."""
        from onnx import helper

        self._names[kind] += 1
        made = [f"{kind}_{self._names[kind]}" + (f"_{number}" if outputs > 1 else "") for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=made[0], domain=domain, **attributes))
        return made if outputs > 1 else made[0]

    def constant(self, value: NDArray[Any] | list[int] | float, name: str | None = None) -> str:
        """A constant: lists are int64, numbers float32. Equal small ones are written once."""
        from onnx import numpy_helper

        array = np.asarray(value, dtype=np.int64 if isinstance(value, list) else None)
        if isinstance(value, float):
            array = array.astype(np.float32)
        name = name or f"const_{array.dtype}_{'_'.join(map(str, array.flatten().tolist()))}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def weight(self, name: str, W: Tensor) -> str:
        """A float32 weight of any shape, written in 16 bits where that is exact."""
        values = W.detach().float().cpu().numpy()
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        exact = bool((half.astype(np.float32) == values).all())
        self.kinds["float16" if exact else "float32"] += 1
        if not exact:
            return self.constant(values, name)
        return str(self.add("Cast", self.constant(half, name), to=1))

    def linear(self, x: str, name: str, W: Tensor, bias: Tensor | None, stored: object = None) -> str:
        """x W^T + b for W [out, in]; by its codes where `stored` has some that `MatMulNBits` reads."""
        block = block_of(stored) if isinstance(stored, QuantizedTensor) else None
        if isinstance(stored, QuantizedTensor) and block is not None:
            y = self._by_codes(x, name, stored, block)
        else:
            y = self.add("MatMul", x, self.add("Transpose", self.weight(f"{name}.weight", W), perm=[1, 0]))
        return y if bias is None else str(self.add("Add", y, self.weight(f"{name}.bias", bias)))

    def _by_codes(self, x: str, name: str, stored: QuantizedTensor, block: int) -> str:
        outputs, inputs = stored.shape
        bits = 4 if stored.bits <= 4 else 8
        blocks = inputs // block
        codes = stored.codes.cpu().numpy().reshape(outputs, blocks, block)
        scale = stored.scale.float().cpu().numpy().repeat(blocks // stored.scale.shape[1], axis=1)
        zeros = np.broadcast_to(np.asarray(stored.grid.zero_code(), dtype=np.float32), stored.scale.shape)
        zero = zeros.astype(np.uint8).repeat(blocks // stored.scale.shape[1], axis=1)
        if bits == 4:
            codes, zero = pairs(codes), pairs(zero)
        self.kinds[f"int{bits}"] += 1
        return str(
            self.add(
                "MatMulNBits",
                x,
                self.constant(codes, f"{name}.codes"),
                self.constant(scale.reshape(-1), f"{name}.scale"),
                self.constant(zero.reshape(-1), f"{name}.zero"),
                domain=MICROSOFT,
                K=inputs,
                N=outputs,
                bits=bits,
                block_size=block,
                accuracy_level=FULL_PRECISION,
            )
        )


def block_of(stored: QuantizedTensor) -> int | None:
    """Weights per scale with which `MatMulNBits` can hold `stored`; None where it cannot.

    A group that is no power of two is several blocks with the same scale.
    """
    if stored.zero == "float" or stored.scale.shape[1] == 0:
        return None
    group = stored.shape[1] // stored.scale.shape[1]
    block = min(group & -group, LARGEST_BLOCK)
    return block if block >= SMALLEST_BLOCK else None


def pairs(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of 4 bits by twos along the last axis, the first in the low half; an odd one out is followed by 0."""
    if codes.shape[-1] % 2:
        codes = np.concatenate([codes, np.zeros_like(codes[..., :1])], axis=-1)
    return codes[..., ::2] | np.left_shift(codes[..., 1::2], np.uint8(4))
