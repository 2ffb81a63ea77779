"""Which artefacts other programs can read: the `quantization_config` of compressed-tensors, or why there is none.

With it, `transformers.AutoModelForCausalLM.from_pretrained(folder)` loads the folder (the library compressed-tensors
must be installed). That format knows integer codes of 2 to 8 bits with one scale per group or per row, in linear
layers. What it does not know is written all the same, for OptLab alone, and says so; its weights file has another name,
because transformers starts with random weights, and one warning, where it finds tensors that it does not know.
"""

from __future__ import annotations

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


def reason_against(compressed: Compressed) -> str | None:
    """Why compressed-tensors cannot express an artefact, as one sentence; None when it can."""
    for name in input_formats(compressed.model.module):
        return f"{name} rounds its activations when it runs, which only OptLab does with this file"
    for name in key_value_formats(compressed.model):
        return f"{name} rounds its keys and values when it runs, which only OptLab does with this file"
    if any(isinstance(part, SeparateExperts) for part in compressed.model.module.modules()):
        return "its experts are written one by one, which only OptLab reads"
    for name, stored in compressed.stored.items():
        if is_plain(stored):
            continue
        if not isinstance(stored, QuantizedTensor):
            return f"{name} is stored as {stored.form}, which only OptLab reads"
        if stored.zero == "float":
            return f"{name} has a float zero point, which only OptLab reads"
        if stored.form != "codes":
            return f"{name} leaves out the codes of its zeros, which only OptLab reads"
        if not isinstance(compressed.model.module_named(name), nn.Linear):
            return f"{name} is not a plain linear layer, so only OptLab reads it in packed form"
    several = schemes({name: stored for name, stored in compressed.stored.items() if not is_plain(stored)})
    if len(several) > 1 and any(not symmetric for _, symmetric, _ in several):
        return "transformers loads layers of several formats only without zero points"
    return None


def weights_file(compressed: Compressed) -> str:
    """The name of the weights file."""
    return PLAIN_FILE if reason_against(compressed) is None else OUR_FILE


def is_plain(stored: Stored) -> bool:
    """Whether it is written like any other tensor."""
    return not isinstance(stored, QuantizedTensor) and stored.form == "dense"


def quantization_config(compressed: Compressed) -> JsonObject | None:
    """The `quantization_config` for config.json; None for a model without packed weights."""
    reason = reason_against(compressed)
    if reason is not None:
        return {"quant_method": METHOD_OF_OURS, "reason": reason}
    packed = {name: stored for name, stored in compressed.stored.items() if not is_plain(stored)}
    if not packed:
        return None
    groups = schemes(packed)
    linears = [name for name, module in compressed.model.module.named_modules() if isinstance(module, nn.Linear)]
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
        "ignore": [name for name in linears if name not in packed],
        "kv_cache_scheme": None,
    }
    if len(groups) == 1:
        # transformers 5.23 has two ways to load. This one knows one scheme only; the other, no zero points.
        config["dequantize"] = True
    return config


def schemes(packed: dict[str, Stored]) -> dict[Scheme, list[str]]:
    """The names of quantized layers by their format."""
    groups: dict[Scheme, list[str]] = {}
    for name, stored in packed.items():
        assert isinstance(stored, QuantizedTensor)
        groups.setdefault((stored.bits, stored.zero == "none", stored.group_size), []).append(name)
    return groups


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
