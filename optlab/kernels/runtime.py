"""What is timed and what writes text: a model ready to read a prompt and to add one token after another, batch 1.

Models of the Llama family run on `LlamaRuntime`, whose linear layers are packed (`optlab.kernels.linear`): in its C++
loop (`native`), or on a graphics card as one CUDA graph (`gpu`). All others run on `HubRuntime`, transformers' own
forward with the packed layers swapped in. `path` says which, `notes` what had no kernel.
"""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from optlab.compression import Compressed
from optlab.errors import MeasurementError
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.sparse_tensor import SparseTensor
from optlab.kernels.gpu import llama as gpu
from optlab.kernels.linear import DenseLinear, pack
from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native import llama as native
from optlab.kernels.rule import NATIVE_PATH, TRITON_PATH
from optlab.kernels.weights import Source
from optlab.messages import Joined, Message, say
from optlab.models.inputs import input_format
from optlab.models.key_values import head_dim, key_value_formats
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import Transformer

CONTEXT = 2048
"""Tokens for which a runtime keeps room, unless the model's context is shorter."""


class Runtime(Protocol):
    """The contract of everything that can be timed or write text."""

    path: str
    notes: list[str]

    def reset(self) -> None:
        """Forget all tokens."""

    def prefill(self, ids: list[int]) -> Tensor:
        """Read a prompt after `reset`; logits [V] for the token that follows."""

    def decode(self, token: int) -> Tensor:
        """Add one token; logits [V] for the next."""


MEMORIES = ("past_key_values", "cache_params", "state")
"""What transformers' families call what they remember of earlier tokens: keys and values, or a recurrent state."""


class HubRuntime:
    """transformers' forward and cache, with packed linear layers where the recipe gave some."""

    def __init__(self, model: LanguageModel, packed: dict[str, nn.Module], notes: list[str], kernels: set[str]) -> None:
        copy = model.clone()
        for name, module in packed.items():
            copy.replace_module(name, module)
        self.model, self.notes = copy, notes
        self.path: str = Joined(", ", ["transformers", describe(kernels, model.dtype)])
        self.cache: Any = None
        takes = inspect.signature(copy.module.forward).parameters
        self.memory = next(name for name in MEMORIES if name in takes)

    def reset(self) -> None:
        self.cache = None

    def prefill(self, ids: list[int]) -> Tensor:
        return self._step(ids)

    def decode(self, token: int) -> Tensor:
        return self._step([token])

    @torch.inference_mode()
    def _step(self, ids: list[int]) -> Tensor:
        tokens = torch.tensor([ids], device=self.model.device)
        out = self.model.module(input_ids=tokens, use_cache=True, **{self.memory: self.cache})
        self.cache = out[self.memory]
        return out.logits[0, -1]


@torch.inference_mode()
def refusal(model: LanguageModel) -> Message | None:
    """Why `model` does not write token by token, so that decoding has no latency; None where it does."""
    if model.objective != "causal":
        return say("{name} fills gaps and does not write token by token, so decoding has no latency", name=model.name)
    if isinstance(model.module, Transformer):
        return None
    out = model.module(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=True)
    if any(name in out for name in MEMORIES):
        return None
    return say(
        "{name} hands out no memory of earlier tokens ({family} in transformers), so decoding has no latency",
        name=model.name,
        family=model.family,
    )


def runtime(source: LanguageModel | Compressed, dtype: str | torch.dtype = "bfloat16", room: int = CONTEXT) -> Runtime:
    """A runtime for a model, or for a compressed model with its packed weights.

    dtype: of activations and of dense weights. room: tokens to keep room for. Raises MeasurementError for a model that
    does not write token by token (`refusal`).
    """
    stored = source.stored if isinstance(source, Compressed) else {}
    model = source.model if isinstance(source, Compressed) else source
    if (silence := refusal(model)) is not None:
        raise MeasurementError(silence)
    model = model.to(dtype=dtype)
    quantized = {name: one for name, one in stored.items() if isinstance(one, QuantizedTensor)}
    sparse = any(isinstance(one, SparseTensor) for one in stored.values())
    notes: list[str] = [say("zeros have no kernel: they are multiplied like other numbers")] if sparse else []
    others = {one.form for one in stored.values() if not isinstance(one, (QuantizedTensor, SparseTensor))} - {"dense"}
    notes += [say("{form} has no kernel: timed as dense 16-bit numbers", form=form) for form in sorted(others)]
    for chosen in set(key_value_formats(model).values()):
        share = chosen.bits_per_number(head_dim(model)) / (8 * model.dtype.itemsize)
        notes.append(
            say(
                "keys and values are rounded to {bits} bits but held as {dtype}: no time is saved, and the {share:.0%} "
                "of the memory that they would take packed is not shown",
                bits=chosen.bits,
                dtype=str(model.dtype)[6:],
                share=share,
            )
        )
    if isinstance(model.module, Transformer):
        kind, loop, why_not = _kind(model)
        fast = kind(model.module, quantized, model.dtype, min(room, model.module.config.context_length), notes)
        fast.path = Joined(", ", [loop, describe(fast.kernels, model.dtype)])
        if why_not is not None:
            fast.notes.append(why_not)
        return fast
    packed: dict[str, nn.Module] = {}
    kernels = {"dense"}
    for name in quantized:
        if name not in model.structure.linears:
            continue
        layer = model.module_named(name)
        bias = layer.bias if isinstance(layer.bias, Tensor) else None
        weight = Source(model.weight(name), bias, quantized[name], input_format(layer))
        one, said, used = pack([weight], model.dtype, model.device, gpu.loop(model.device))
        kernels |= used
        notes += [note for note in said if note not in notes]
        if not isinstance(one, DenseLinear):
            packed[name] = one
    return HubRuntime(model, packed, notes, kernels)


def _kind(model: LanguageModel) -> tuple[type[LlamaRuntime], Message, str | None]:
    """The fastest runtime for a Transformer, how its path begins, and why it is not a faster one."""
    module = model.module
    assert isinstance(module, Transformer)
    on_card = model.device.type == "cuda"
    why_not = gpu.refusal(module) if on_card else native.refusal(module, model.dtype)
    if why_not is not None:
        return LlamaRuntime, say("own runtime"), why_not
    return (gpu.GraphLlama, TRITON_PATH, None) if on_card else (native.NativeLlama, NATIVE_PATH, None)


def describe(kernels: set[str], dtype: torch.dtype) -> str:
    """'int4 weights' or 'bfloat16', for people."""
    names = [k for k in ("int4", "int8") if k in kernels]
    dense = str(dtype).removeprefix("torch.")
    parts: list[str] = []
    if names:
        weights = Joined(" and ", [say("{format} weights", format=name) for name in names])
        parts.append(Joined(", ", [weights, say("{dtype} activations", dtype=dense)]))
    if "int8x8" in kernels:
        parts.append(say("int8 weights and activations"))
    return Joined("; ", parts) if parts else dense
