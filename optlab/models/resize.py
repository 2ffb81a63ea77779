"""Make a model smaller in place, weights and config together, so that any program runs what is left faster.

Whole blocks, neurons of the MLPs, or groups of attention heads go. Every block keeps as many, because one number in
config.json counts them all; a family whose config has no such number is refused in one sentence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optlab.errors import RecipeError
from optlab.models.architectures import ARCHITECTURES
from optlab.models.config import Config
from optlab.models.structure import is_conv1d

if TYPE_CHECKING:
    from torch import Tensor, nn

    from optlab.models.language_model import LanguageModel

BLOCK_COUNT_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
PER_BLOCK_KEYS = ("layer_types", "no_rope_layers")
NEURON_COUNT_KEYS = ("ffn_dim", "hidden_dim", "intermediate_size")


def keep_blocks(model: LanguageModel, indices: list[int]) -> None:
    """Keep only the blocks `indices` of `model`, in place, in that order; its config says the new depth.

    Raises RecipeError when the model's config does not state its depth in a way we know.
    """
    from torch import nn

    blocks = model.blocks()
    container_name = blocks[0][0].rpartition(".")[0]
    keys = [key for key in BLOCK_COUNT_KEYS if key in model.config]
    if not keys:
        raise RecipeError("{name} does not say how many blocks it has, so none can be left out", name=model.name)
    kept = [blocks[i][1] for i in indices]
    model.replace_module(container_name, nn.ModuleList(kept))
    for number, block in enumerate(kept):
        for module in block.modules():
            for attribute in ("layer_idx", "block"):
                if isinstance(getattr(module, attribute, None), int):
                    setattr(module, attribute, number)
    for key in PER_BLOCK_KEYS:
        if isinstance(model.config.get(key), list):
            _say(model, key, [model.config[key][i] for i in indices])
    for key in keys:
        _say(model, key, len(kept))
    whole: Any = model.module
    if isinstance(whole.config, Config):
        whole.config = whole.config.keeping(indices)
        model.config |= whole.config.said_of_blocks()


def keep_neurons(model: LanguageModel, kept: list[Tensor]) -> None:
    """Keep of the MLP of block i only the neurons kept[i] (long, sorted, equally many), in place.

    Raises RecipeError for a family whose MLPs or config are not of a kind we know.
    """
    key = "n_inner" if model.config.get("model_type") == "gpt2" else None
    key = key or next((key for key in NEURON_COUNT_KEYS if key in model.config), None)
    if key is None:
        raise RecipeError(
            "{name} does not say how many neurons its blocks have, so none can be removed",
            name=model.name,
        )
    for number, indices in enumerate(kept):
        layers = layers_by_kind(model, number)
        for kind in ("mlp.gate", "mlp.up"):
            if kind in layers:
                _keep_rows(model.module_named(layers[kind]), indices)
        _keep_columns(model.module_named(layers["mlp.down"]), indices)
    _say(model, key, len(kept[0]), own="mlp_width")


def keep_heads(model: LanguageModel, kept: list[list[int]]) -> None:
    """Keep of the attention of block i only the units kept[i] (sorted, equally many), in place; see `head_unit`."""
    unit, own = head_unit(model), _own_config(model)
    import torch

    size = own.head_dim
    grouped = own.kv_heads > 1
    for number, indices in enumerate(kept):
        layers, block = layers_by_kind(model, number), model.blocks()[number][1]
        queries = torch.tensor([u * unit * size + i for u in indices for i in range(unit * size)])
        keys = torch.tensor([u * size + i for u in indices for i in range(size)])
        _keep_rows(model.module_named(layers["attention.q"]), queries)
        _keep_columns(model.module_named(layers["attention.o"]), queries)
        attention: Any = block.self_attn
        attention.heads = unit * len(indices)
        if grouped:
            _keep_rows(model.module_named(layers["attention.k"]), keys)
            _keep_rows(model.module_named(layers["attention.v"]), keys)
            attention.kv_heads = len(indices)
    _say(model, "head_dim", size, own="head_dim")
    _say(model, "num_attention_heads", unit * len(kept[0]), own="heads")
    _say(model, "num_key_value_heads", len(kept[0]) if grouped else own.kv_heads, own="kv_heads")


def head_unit(model: LanguageModel) -> int:
    """How many query heads go together: those that share a key-value head; 1 where all share the only one.

    Raises RecipeError for a family whose heads cannot be told apart in its weights, or be said in its config.
    """
    own = _own_config(model)
    return int(own.heads // own.kv_heads) if own.kv_heads > 1 else 1


def layers_by_kind(model: LanguageModel, number: int) -> dict[str, str]:
    """Kind -> name of the linear layers of block `number`. Raises RecipeError without an MLP of two or three layers, or
    with several (experts)."""
    prefix = model.blocks()[number][0]
    found = {model.structure.kinds[n]: n for n in model.linear_names() if n.startswith(f"{prefix}.")}
    if sum(model.structure.kinds[n] == "mlp.down" for n in model.linear_names() if n.startswith(f"{prefix}.")) > 1:
        raise RecipeError(
            "the blocks of {name} hold several MLPs, its experts, so no neuron can be removed",
            name=model.name,
        )
    if "mlp.up" not in found or "mlp.down" not in found:
        raise RecipeError(
            "the MLPs of {name} keep gate and up in one matrix, so no neuron can be removed",
            name=model.name,
        )
    return found


def _own_config(model: LanguageModel) -> Any:
    from optlab.models.transformer import Transformer

    module = model.module
    if not isinstance(module, Transformer) or not ARCHITECTURES[module.config.family].reads_head_dim:
        raise RecipeError(
            "{family} derives the size of a head from the width of the model, so no head can be removed; use "
            "pattern neurons or layers",
            family=model.family,
        )
    if module.config.fused:
        raise RecipeError(
            "{family} keeps queries, keys and values in one matrix, so no head can be removed",
            family=model.family,
        )
    if module.config.qk_norm == "width":
        raise RecipeError(
            "{family} normalizes queries over all heads together, so no head can be removed",
            family=model.family,
        )
    return module.config


def _say(model: LanguageModel, key: str, value: Any, own: str = "") -> None:
    """Write a size into config.json and into the config that the module carries. own: its name in our Config."""
    model.config[key] = value
    module: Any = model.module
    carried = getattr(module, "config", None)
    if isinstance(carried, Config):
        if own:
            module.config = replace(carried, **{own: value})
    elif carried is not None:
        setattr(carried, key, value)


def _keep_rows(module: nn.Module, indices: Tensor) -> None:
    """Keep the outputs `indices` of a linear layer."""
    _replace(module, "weight", indices, 1 if is_conv1d(module) else 0)
    if module.bias is not None:
        _replace(module, "bias", indices, 0)
    setattr(module, "nf" if is_conv1d(module) else "out_features", len(indices))


def _keep_columns(module: nn.Module, indices: Tensor) -> None:
    """Keep the inputs `indices` of a linear layer."""
    _replace(module, "weight", indices, 0 if is_conv1d(module) else 1)
    setattr(module, "nx" if is_conv1d(module) else "in_features", len(indices))


def _replace(module: nn.Module, name: str, indices: Tensor, dimension: int) -> None:
    from torch import nn

    before = module.get_parameter(name)
    values = before.detach().index_select(dimension, indices.to(before.device)).contiguous()
    setattr(module, name, nn.Parameter(values, requires_grad=before.requires_grad))
