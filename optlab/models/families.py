"""How a model computes: our own Transformer where it knows all that config.json says, else transformers' class for it.

`Config.from_hub` accepts a config or says what in it our Transformer does not compute. Classes come from the installed
library only; code inside a model folder is never run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from huggingface_hub.errors import StrictDataclassError

from optlab.errors import ModelError
from optlab.models.checkpoint import Checkpoint, TensorEntry
from optlab.models.hub_config import HubConfig, ImpossibleConfigError
from optlab.models.placement import COMPUTED, Placement, library_names, place, unwrapping

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LIBRARY_ERRORS = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, AssertionError,
    ZeroDivisionError, IndexError, StrictDataclassError,
)  # fmt: skip
"""What transformers raises, from anywhere, when a config or a checkpoint does not fit its class."""
UNDECLARED = frozenset((
    "attention_chunk_size", "attention_head_size", "attn_config", "embedding_size", "ffn_config",
    "first_k_dense_replace", "full_attention_interval", "global_attn_every_n_layers", "global_rope_theta", "head_dim",
    "hidden_act", "hybrid_override_pattern", "is_decoder", "layer_types", "local_rope_theta", "max_relative_positions",
    "moe_layer_freq", "n_embed", "norm_rel_ebd", "num_experts", "num_local_experts",
    "original_max_position_embeddings", "partial_rotary_factor", "position_biased_input", "position_buckets",
    "position_embedding_type", "qkv_bias", "relative_attention", "rope_local_base_freq", "rope_scaling", "rope_theta",
    "rotary_emb_base", "rotary_pct", "router_bias", "share_att_key", "sliding_window", "sliding_window_pattern",
    "_sliding_window_pattern", "talking_head", "tie_word_embeddings", "use_bidirectional_attention",
))  # fmt: skip
"""Keys that classes of transformers read without declaring them: older names, and what only some files say."""
NEVER = frozenset((
    "auto_map", "attn_implementation", "dtype", "id2label", "label2id", "model_type", "num_labels",
    "quantization_config", "torch_dtype",
))  # fmt: skip
"""Keys of config.json that a config object is made without, whatever declares them: code to run instead of the
library's, kernels to download, labels by the billion, what OptLab decides itself."""


def own_config(hub: HubConfig) -> Any:
    """Our Transformer's Config for a hub config, or None when it says something that ours does not compute.

    Raises ModelError when it says what nobody could compute.
    """
    from optlab.models.config import Config

    if objective_of(hub) != "causal":
        return None
    try:
        return Config.from_hub(hub)
    except ImpossibleConfigError:
        raise
    except ModelError:
        return None


def objective_of(hub: HubConfig) -> str:
    """Either "masked" (a BERT-like model that predicts hidden tokens) or "causal" (it predicts the next token).

    Raises ModelError for classifiers and encoder-decoders, which have no perplexity of that kind.
    """
    names = hub.get("architectures") or []
    name = str(names[0]) if isinstance(names, list) and names else ""
    if name.endswith(("ForMaskedLM", "ForPreTraining")):
        return "masked"
    if name.endswith(("ForCausalLM", "LMHeadModel")):
        return "causal"
    if hub.get("is_encoder_decoder") or "For" in name:
        raise ModelError("{name} is not a causal or masked language model", name=name or hub.get("model_type"))
    # No class is named. Decoders have no segments, and what has no causal class can only be masked.
    bidirectional = "type_vocab_size" in hub or not _has_class(hub, "causal")
    return "masked" if bidirectional and not hub.get("is_decoder") and _has_class(hub, "masked") else "causal"


def _mapping(objective: str) -> Any:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    return MODEL_FOR_MASKED_LM_MAPPING if objective == "masked" else MODEL_FOR_CAUSAL_LM_MAPPING


def _has_class(hub: HubConfig, objective: str) -> bool:
    try:
        return type(library_config(hub)) in _mapping(objective)
    except ModelError:
        return False


def library_config(hub: HubConfig) -> Any:
    """transformers' config object for a hub config. Raises ModelError when the library has no such model."""
    from transformers import CONFIG_MAPPING, AutoConfig

    kind = hub.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError("config.json has no model_type, so the architecture of the model is unknown")
    try:
        admitted = _admitted(CONFIG_MAPPING[kind]) if kind in CONFIG_MAPPING else frozenset()
        values = {key: _decoded(value) for key, value in hub.items() if key in admitted}
        return AutoConfig.for_model(kind, **values)
    except LIBRARY_ERRORS as error:
        if hub.get("auto_map"):
            raise ModelError(
                "model_type {kind!r} needs the code in its own folder (auto_map), which OptLab never runs; use a model "
                "whose class is part of transformers",
                kind=kind,
            ) from None
        if kind not in CONFIG_MAPPING:
            raise ModelError("model_type {kind!r} is not one that transformers knows", kind=kind[:80]) from None
        raise ModelError(
            "config.json does not describe a model of type {kind!r}: {first_line}",
            kind=kind,
            first_line=_first_line(error),
        ) from None


def _admitted(config_class: Any) -> frozenset[str]:
    """The keys of config.json that reach a config class of transformers: those that it declares or reads anyway."""
    declared = {field.name for field in dataclasses.fields(config_class)}
    return frozenset(declared | set(config_class.attribute_map) | UNDECLARED) - NEVER


def _decoded(value: Any) -> Any:
    """A value of config.json as transformers means it: it writes infinity, which JSON lacks, as an object. Configs
    inside a config (text_config) say no more than the outer one may."""
    if isinstance(value, dict):
        if set(value) == {"__float__"}:
            return float(value["__float__"])
        return {k: _decoded(v) for k, v in value.items() if k == "model_type" or (k not in NEVER and k[:1] != "_")}
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def library_class(config: Any, objective: str) -> Any:
    """transformers' class for a config object. Raises ModelError."""
    found = _mapping(objective).get(type(config), None)
    if found is None:
        raise ModelError(
            "transformers has no {objective} language model for model_type {model_type!r}",
            objective=objective,
            model_type=config.model_type,
        )
    return found[0] if isinstance(found, (tuple, list)) else found


def skeleton(hub: HubConfig) -> nn.Module:
    """The module of a config without weights (on torch's meta device): its structure costs no memory."""
    from optlab.models.experts import separate

    config = own_config(hub)
    return _own_skeleton(config) if config is not None else separate(_library_skeleton(hub))


def _library_skeleton(hub: HubConfig) -> nn.Module:
    import torch

    library = library_config(hub)
    with torch.device("meta"):
        try:
            module: nn.Module = library_class(library, objective_of(hub))(library)
        except LIBRARY_ERRORS as error:
            raise ModelError(
                "config.json does not describe a model that can be built: {first_line}",
                first_line=_first_line(error),
            ) from None
        _check_parts(module)
    return module


def _check_parts(module: nn.Module) -> None:
    """Raises ModelError when a class of transformers reads a part that it did not build: it takes some values of a
    config, and has no code for them together. Runs on the meta device, where nothing is computed."""
    import torch

    try:
        with torch.no_grad():
            module.eval()(input_ids=torch.zeros(1, 2, dtype=torch.long))
    except AttributeError as error:
        raise ModelError(
            "transformers cannot run what config.json describes: {first_line}", first_line=_first_line(error)
        ) from None
    except Exception:
        return  # what depends on the values of a tensor cannot run without them


def placed(checkpoint: Checkpoint) -> Placement:
    """Which tensors are weights of the model that config.json describes. Raises ModelError as `placement.place`."""
    config = own_config(checkpoint.config)
    unwrapped = unwrapping(checkpoint.tensors)
    if config is None:
        module: Any = _library_skeleton(checkpoint.config)
        left_out = module._keys_to_ignore_on_load_unexpected or ()
        return place(checkpoint, module, library_names(module, unwrapped), left_out)
    names = hub_names(config, map(unwrapped, checkpoint.tensors))

    def rename(name: str) -> str:
        return names.get(unwrapped(name), name)

    return place(checkpoint, _own_skeleton(config), rename)


def build(checkpoint: Checkpoint, dtype: torch.dtype) -> nn.Module:
    """The model with its weights in `dtype` on the CPU, in eval mode. Raises ModelError."""
    config = own_config(checkpoint.config)
    module = _build_own(checkpoint, config, dtype) if config is not None else _build_library(checkpoint, dtype)
    return module.eval().requires_grad_(True)


def _own_skeleton(config: Any) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    from optlab.models.transformer import Transformer

    class WithoutStorage(TorchFunctionMode):
        """Parameters without memory and without drawing random numbers.

        torch.device("meta") alone would do, but importing what it draws numbers with takes three seconds.
        """

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if getattr(func, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return func(*args, **({**kwargs, "device": "meta"} if func is torch.empty else kwargs))

    with WithoutStorage():
        return Transformer(config)


def _build_own(checkpoint: Checkpoint, config: Any, dtype: torch.dtype) -> nn.Module:
    module = _own_skeleton(config)
    found = placed(checkpoint)
    read = read_tensors({name: checkpoint.tensors[name] for name in found.places}, dtype)
    weights = {found.places[name]: values for name, values in read.items()}
    module.load_state_dict(weights, strict=False, assign=True)
    module.tie()
    return module


def hub_names(config: Any, stored: Iterable[str]) -> dict[str, str]:
    """Name in a checkpoint -> name in our Transformer, without what is no weight.

    Older files hold what is computed here (frequencies, causal masks), leave out the name of the body (GPT-2), or have
    another one for the head (GPT-NeoX).
    """
    body = config.names.get("model", "model")
    names = [name for name in stored if not COMPUTED.search(name)]
    bare = not any(name.startswith(f"{body}.") for name in names)
    found = {}
    for name in names:
        ours = "lm_head.weight" if name == "embed_out.weight" else name
        found[name] = f"{body}.{ours}" if bare and ours != "lm_head.weight" else ours
    return found


def read_tensors(entries: dict[str, TensorEntry], dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of safetensors files in `dtype`, by name. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, Tensor] = {}
    for file in sorted({entry.file for entry in entries.values()}):
        try:
            with safe_open(file, framework="pt") as stream:
                for name in (name for name, entry in entries.items() if entry.file == file):
                    found[name] = stream.get_tensor(name).to(dtype, copy=True)
        except (SafetensorError, OSError) as error:
            raise ModelError("{name} cannot be read: {error}", name=file.name, error=error) from None
    return found


def _build_library(checkpoint: Checkpoint, dtype: torch.dtype) -> nn.Module:
    from safetensors import safe_open
    from transformers.utils.logging import disable_progress_bar

    from optlab.models.experts import separate

    placed(checkpoint)  # raises where the file and its config.json do not fit
    disable_progress_bar()  # it would draw on stderr; `progress` is how work reports itself here
    config = library_config(checkpoint.config)
    kind = library_class(config, objective_of(checkpoint.config))
    config.use_cache = False
    if (checkpoint.config.get("quantization_config") or {}).get("quant_method") == "mxfp4":
        config.quantization_config = {"quant_method": "mxfp4", "dequantize": True}
    unwrapped = unwrapping(checkpoint.tensors)
    try:
        # Which files there are is this library's to say, so transformers gets tensors, each read when it is needed. It
        # renames those of older checkpoints; the list of what it missed tells whether all arrived.
        opened = {file: safe_open(file, framework="pt") for file in checkpoint.files}
        tensors = {unwrapped(name): opened[entry.file].get_slice(name) for name, entry in checkpoint.tensors.items()}
        module, report = kind.from_pretrained(
            None, config=config, dtype=dtype, state_dict=tensors, output_loading_info=True
        )
    except LIBRARY_ERRORS as error:
        raise ModelError(
            "{name} does not fit its config.json: {first_line}",
            name=checkpoint.folder.name,
            first_line=_first_line(error),
        ) from None
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            "{name} lacks {missing_count} tensors: {few}",
            name=checkpoint.folder.name,
            missing_count=len(missing),
            few=_few(missing),
        )
    if wrong := sorted(str(item[0]) for item in report.get("mismatched_keys", ())):
        raise ModelError(
            "{name} stores {wrong_count} tensors in another shape: {few}",
            name=checkpoint.folder.name,
            wrong_count=len(wrong),
            few=_few(wrong),
        )
    return separate(module)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])[:200]
