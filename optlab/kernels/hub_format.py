"""Which artefacts other programs can read: the `quantization_config` of compressed-tensors, or why there is none.

With it, `transformers.AutoModelForCausalLM.from_pretrained(folder)` loads the folder (the library compressed-tensors
must be installed). That format knows integer codes of 2 to 8 bits with one scale per group or per row, in linear
layers. What it does not know is written all the same, for OptLab alone, and says so; its weights file has another name,
because transformers starts with random weights, and one warning, where it finds tensors that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from optlab.compression import Compressed
from optlab.context import Stored
from optlab.files import JsonObject
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.models.experts import SeparateExperts
from optlab.models.inputs import input_formats
from optlab.models.key_values import key_value_formats

METHOD_OF_OURS = "optlab"
PLAIN_FILE, OUR_FILE = "model.safetensors", "optlab.safetensors"
"""The weights file that every program opens, and the one that only OptLab opens."""
Scheme = tuple[int, bool, int | None]
"""(bits, symmetric, group_size or None for one scale per row)"""


@dataclass(frozen=True)
class LayerForm:
    """A packed layer as other programs see it. reason: why compressed-tensors cannot express it; None when it can, and
    then scheme is there."""

    reason: str | None
    scheme: Scheme | None = None


@dataclass(frozen=True)
class Packing:
    """All that decides which programs can read an artefact.

    reason: why none but OptLab can, whatever the layers are. layers: those that are packed, in order. linears: names of
    all linear layers of the model.
    """

    reason: str | None
    layers: dict[str, LayerForm]
    linears: list[str]

    @property
    def reason_against(self) -> str | None:
        """Why compressed-tensors cannot express the artefact, as one sentence; None when it can."""
        reasons = [self.reason, *(layer.reason for layer in self.layers.values())]
        found = next((reason for reason in reasons if reason is not None), None)
        if found is None and len(self.schemes) > 1 and any(not symmetric for _, symmetric, _ in self.schemes):
            return "transformers loads layers of several formats only without zero points"
        return found

    @property
    def weights_file(self) -> str:
        """The name of the weights file."""
        return PLAIN_FILE if self.reason_against is None else OUR_FILE

    @property
    def schemes(self) -> dict[Scheme, list[str]]:
        """The names of packed layers by their format."""
        groups: dict[Scheme, list[str]] = {}
        for name, layer in self.layers.items():
            if layer.scheme is not None:
                groups.setdefault(layer.scheme, []).append(name)
        return groups


def packing(compressed: Compressed) -> Packing:
    """How the layers of `compressed` look to other programs."""
    model = compressed.model
    layers = {
        name: layer_form(name, stored, model.module_named(name))
        for name, stored in compressed.stored.items()
        if not is_plain(stored)
    }
    rounding = reason_of_roundings(input_formats(model.module), key_value_formats(model))
    if rounding is None and any(isinstance(part, SeparateExperts) for part in model.module.modules()):
        rounding = "its experts are written one by one, which only OptLab reads"
    return Packing(rounding, layers, all_linears(model.module))


def reason_of_roundings(inputs: Iterable[str], key_values: Iterable[str]) -> str | None:
    """Why a model that rounds what these layers read, or what these blocks remember, is for OptLab alone."""
    for name in inputs:
        return f"{name} rounds its activations when it runs, which only OptLab does with this file"
    for name in key_values:
        return f"{name} rounds its keys and values when it runs, which only OptLab does with this file"
    return None


def layer_form(name: str, stored: Stored, module: nn.Module) -> LayerForm:
    """Of one packed layer; module: the layer in the model, with or without weights."""
    if not isinstance(stored, QuantizedTensor):
        return LayerForm(f"{name} is stored as {stored.form}, which only OptLab reads")
    if stored.zero == "float":
        return LayerForm(f"{name} has a float zero point, which only OptLab reads")
    if stored.form != "codes":
        return LayerForm(f"{name} leaves out the codes of its zeros, which only OptLab reads")
    if not isinstance(module, nn.Linear):
        return LayerForm(f"{name} is not a plain linear layer, so only OptLab reads it in packed form")
    return LayerForm(None, (stored.bits, stored.zero == "none", stored.group_size))


def all_linears(module: nn.Module) -> list[str]:
    """Names of all linear layers as other programs see them."""
    return [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]


def reason_against(compressed: Compressed) -> str | None:
    """Why compressed-tensors cannot express an artefact, as one sentence; None when it can."""
    return packing(compressed).reason_against


def is_plain(stored: Stored) -> bool:
    """Whether it is written like any other tensor."""
    return not isinstance(stored, QuantizedTensor) and stored.form == "dense"


def quantization_config(packing: Packing) -> JsonObject | None:
    """The `quantization_config` for config.json; None for a model without packed weights."""
    reason = packing.reason_against
    if reason is not None:
        return {"quant_method": METHOD_OF_OURS, "reason": reason}
    if not packing.layers:
        return None
    groups = packing.schemes
    config: JsonObject = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": {
            f"group_{number}": {
                "targets": ["Linear"] if len(groups) == 1 else names,
                "weights": _weights(scheme),
                "input_activations": None,
                "output_activations": None,
            }
            for number, (scheme, names) in enumerate(groups.items())
        },
        "ignore": [name for name in packing.linears if name not in packing.layers],
        "kv_cache_scheme": None,
    }
    if len(groups) == 1:
        # transformers 5.23 has two ways to load. This one knows one scheme only; the other, no zero points.
        config["dequantize"] = True
    return config


def _weights(scheme: Scheme) -> JsonObject:
    bits, symmetric, group_size = scheme
    return {
        "num_bits": bits,
        "type": "int",
        "symmetric": symmetric,
        "strategy": "channel" if group_size is None else "group",
        "group_size": group_size,
        "dynamic": False,
    }
