"""compressed-tensors: the files of llm-compressor and vLLM, and our own where other programs can read them.

    pack-quantized     weight_packed int32 [out, words], weight_shape, weight_scale [out, groups],
                       weight_zero_point int32 [words, groups], packed down the outputs; after
                       act-order weight_g_idx [in]
    naive-, int- and   weight int8 or float8 [out, in], weight_scale of one number, [out, 1], [out, groups] or blocks
    float-quantized    [out / rows, in / columns], weight_zero_point int8 of the same shape

Packed codes are the signed ones plus 2^(bits-1). Each layer follows the group of `config_groups` whose target names it
(a name, an expression after "re:") or its class; bits come from there, where the shapes allow more than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError, RecipeError
from optlab.layer_patterns import Pattern, layer_pattern
from optlab.messages import Message, say
from optlab.models.quantized.format import PackedFormat, Settings
from optlab.models.quantized.grouped import grouped
from optlab.models.quantized.scaled import scaled

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.formats.integer_tensor import QuantizedTensor

READ = ("pack-quantized", "naive-quantized", "int-quantized", "float-quantized", "mixed-precision", "dense")


def _read(layer: str, parts: Mapping[str, Tensor], settings: Settings) -> Tensor | QuantizedTensor:
    if "weight_packed" not in parts:
        return scaled(parts["weight"], parts["weight_scale"], parts.get("weight_zero_point"))
    from optlab.formats.packing import unpack, words_per_row

    rows, columns = (int(n) for n in parts["weight_shape"])
    words = parts["weight_packed"].shape[1]
    bits = next((b for b in _widths(layer, settings) if words_per_row(columns, b) == words), None)
    if bits is None:
        raise ValueError(f"no group of config_groups packs {columns} codes into {words} words")
    zeros = parts.get("weight_zero_point")
    if zeros is not None:
        zeros = unpack(zeros.T.contiguous(), bits, rows).T
    codes = unpack(parts["weight_packed"], bits, columns)
    scale = parts["weight_scale"]
    scale = scale.expand(rows, -1) if scale.ndim == 2 else scale.reshape(1, 1).expand(rows, 1)
    index = parts.get("weight_g_idx")
    return grouped(codes, scale, zeros, bits, None if index is None or int(index.min()) < 0 else index.long())


def _widths(layer: str, settings: Settings) -> Iterator[int]:
    """Bits that the layer may have, the likeliest first: of a group that names it, then of those for classes."""
    groups = [group for group in settings["config_groups"].values() if group.get("weights")]
    yield from (int(group["weights"]["num_bits"]) for group in groups if _names(layer, group))
    yield from (int(group["weights"]["num_bits"]) for group in groups)


def _names(layer: str, group: Mapping[str, Any]) -> bool:
    return any(
        _pattern(target[3:]).match(layer) is not None if target.startswith("re:") else target == layer
        for target in group.get("targets") or ()
    )


def _pattern(expression: str) -> Pattern:
    try:
        return layer_pattern(expression)
    except RecipeError as error:
        raise ModelError("its quantization_config cannot be followed: {why}", why=error) from None


def _refuses(settings: Settings) -> Message | None:
    groups = settings.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        return say("its quantization_config has no config_groups")
    layouts = {settings.get("format"), *(group.get("format") for group in groups.values())} - {None}
    unknown = sorted(str(layout) for layout in layouts - {*READ})
    sparse = (settings.get("sparsity_config") or {}).get("format", "dense")
    if unknown or sparse != "dense":
        return say("its layout is {layout}", layout=unknown[0] if unknown else sparse)
    return None


def rounds_inputs(settings: Settings) -> bool:
    """Whether the tool that made the file also rounds what its layers read, or keys and values."""
    groups = settings.get("config_groups")
    schemes = groups.values() if isinstance(groups, Mapping) else ()
    return bool(settings.get("kv_cache_scheme")) or any(scheme.get("input_activations") for scheme in schemes)


COMPRESSED_TENSORS = PackedFormat(
    name="compressed-tensors", methods=("compressed-tensors", "compressed_tensors"),
    markers=("weight_packed", "weight_scale"),
    parts=(
        "weight", "weight_packed", "weight_shape", "weight_scale", "weight_zero_point", "weight_g_idx", "input_scale",
        "input_zero_point", "output_scale", "output_zero_point",
    ),
    read=_read, refuses=_refuses,
)  # fmt: skip
