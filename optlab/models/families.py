"""How a model computes: our own Transformer when its structure is a Llama's, else the class transformers has for it.

The structure decides, not the name: `Config.from_hub` accepts a config or says why it is not of its family. Classes
come from the installed library only; code inside a model folder is never run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.models.checkpoint import Checkpoint, TensorEntry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LIBRARY_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, AssertionError)
"""What transformers raises, from anywhere, when a config or a checkpoint does not fit its class."""


def own_config(hub: dict[str, Any]) -> Any:
    """Our Transformer's Config for a hub config, or None when the structure is not a Llama's."""
    from optlab.models.transformer import Config

    if objective_of(hub) != "causal":
        return None
    try:
        return Config.from_hub(hub)
    except ModelError:
        return None


def objective_of(hub: dict[str, Any]) -> str:
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


def _has_class(hub: dict[str, Any], objective: str) -> bool:
    try:
        return type(library_config(hub)) in _mapping(objective)
    except ModelError:
        return False


def library_config(hub: dict[str, Any]) -> Any:
    """transformers' config object for a hub config. Raises ModelError when the library has no such model."""
    from transformers import AutoConfig

    kind = hub.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError("config.json has no model_type, so the architecture of the model is unknown")
    values = {key: value for key, value in hub.items() if key not in ("model_type", "auto_map", "quantization_config")}
    try:
        return AutoConfig.for_model(kind, **values)
    except LIBRARY_ERRORS as error:
        raise ModelError(
            "model_type {kind!r} is not one that transformers can build: {first_line}",
            kind=kind,
            first_line=_first_line(error),
        ) from None


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


def skeleton(hub: dict[str, Any]) -> nn.Module:
    """The module of a config without weights (on torch's meta device): its structure costs no memory."""
    import torch

    config = own_config(hub)
    if config is not None:
        return _own_skeleton(config)
    library = library_config(hub)
    with torch.device("meta"):
        try:
            module: nn.Module = library_class(library, objective_of(hub))(library)
        except LIBRARY_ERRORS as error:
            raise ModelError(
                "config.json does not describe a model that can be built: {first_line}",
                first_line=_first_line(error),
            ) from None
    return module


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
    import torch

    from optlab.models.transformer import Rotary

    module = _own_skeleton(config)
    module.rotary = Rotary(config)  # its tables are plain tensors, which must be real
    wanted = dict(module.named_parameters())
    # Buffers of older checkpoints, computed here instead.
    stored = {name: entry for name, entry in checkpoint.tensors.items() if not name.endswith("rotary_emb.inv_freq")}
    head = stored.pop("lm_head.weight", None) if config.tied else None
    _check_names(checkpoint, wanted, stored)
    weights = read_tensors(stored, dtype)
    if head is not None:
        values = read_tensors({"lm_head.weight": head}, dtype)["lm_head.weight"]
        if not torch.equal(values, weights["model.embed_tokens.weight"]):
            raise ModelError(
                "{name} says that head and embedding are one tensor (tie_word_embeddings) but stores two different "
                "ones; set tie_word_embeddings to false in its config.json",
                name=checkpoint.folder.name,
            )
    module.load_state_dict(weights, strict=False, assign=True)
    if config.tied:
        module.lm_head.weight = module.model.embed_tokens.weight
    return module


def _check_names(checkpoint: Checkpoint, wanted: dict[str, nn.Parameter], stored: dict[str, TensorEntry]) -> None:
    where = checkpoint.folder.name
    if missing := sorted(set(wanted) - set(stored)):
        raise ModelError(
            "{where} lacks {missing_count} tensors that its config.json asks for: {few}",
            where=where,
            missing_count=len(missing),
            few=_few(missing),
        )
    if extra := sorted(set(stored) - set(wanted)):
        raise ModelError(
            "{where} holds {extra_count} tensors that its config.json has no place for: {few}",
            where=where,
            extra_count=len(extra),
            few=_few(extra),
        )
    for name, parameter in wanted.items():
        if tuple(parameter.shape) != stored[name].shape:
            raise ModelError(
                "{where} stores {name} with shape {shape}; its config.json asks for {expected}",
                where=where,
                name=name,
                shape=list(stored[name].shape),
                expected=list(parameter.shape),
            )


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
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would draw on stderr; `progress` is how work reports itself here
    config = library_config(checkpoint.config)
    kind = library_class(config, objective_of(checkpoint.config))
    config.use_cache = False
    try:
        # transformers renames the tensors of older checkpoints; the list of what it missed tells whether all arrived.
        module, report = kind.from_pretrained(
            str(checkpoint.folder), config=config, dtype=dtype, use_safetensors=True, local_files_only=True,
            trust_remote_code=False, output_loading_info=True,
        )  # fmt: skip
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
    if extra := sorted(report["unexpected_keys"]):
        raise ModelError(
            "{name} holds {extra_count} tensors without a place: {few}",
            name=checkpoint.folder.name,
            extra_count=len(extra),
            few=_few(extra),
        )
    built: nn.Module = module
    return built


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
