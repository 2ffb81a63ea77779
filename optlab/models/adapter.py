"""LoRA adapters: what was trained beside a model, merged into it once; every later load reads the merged folder.

The weights keep the dtype of the base, as `merge_and_unload` of the package peft leaves them; sums are in float32.
"""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

from optlab.errors import ModelError
from optlab.files import JsonObject
from optlab.messages import say
from optlab.models.checkpoint import ADAPTER, ADAPTER_CONFIG, adapter_kind, open_checkpoint, read_json
from optlab.models.conversion import once, place_of
from optlab.models.fingerprint import TEXT_FILES
from optlab.progress import Progress, silent

VERSION = 1
"""Raised when the written files change, so that older merges are not reused."""

COPIED = (".json", ".txt", ".model", ".jinja")
CHANGED_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Values of init_lora_weights whose training begins with another base."""
NOT_MERGED = (
    "use_qalora", "layer_replication", "trainable_token_indices", "target_parameters", "alora_invocation_tokens",
)  # fmt: skip
"""Settings of peft that make more of an adapter than a sum of matrices."""


def base_of(folder: Path) -> str:
    """The model that the adapter in `folder` was trained beside, as its adapter_config.json names it.

    Raises ModelError when it names none, or when the adapter is of a kind that is not merged.
    """
    about = read_json(folder / ADAPTER_CONFIG)
    kind, base = adapter_kind(about)
    why = _refusal(folder, about)
    if why is not None:
        raise ModelError(
            "{name} is a {kind} adapter of {base}, not a model, and is not merged here: {why}; merge it with the tool "
            "that made it (merge_and_unload of the package peft), save that, and give its folder",
            name=folder.name,
            kind=kind,
            base=base,
            why=why,
        )
    return base


def _refusal(folder: Path, about: JsonObject) -> str | None:
    if about.get("peft_type") != "LORA":
        return say("only LoRA of the package peft is")
    if not isinstance(about.get("base_model_name_or_path"), str) or not about["base_model_name_or_path"]:
        return say("it does not say which model that is")
    if not (folder / ADAPTER).is_file():
        return say("its weights must be in {file}", file=ADAPTER)
    begun = about.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower().startswith(CHANGED_BASE):
        return say("its training changed the base as well (init_lora_weights {begun})", begun=begun[:40])
    setting = next((key for key in NOT_MERGED if about.get(key)), None)
    return None if setting is None else say("its setting {setting} is not understood", setting=setting)


def merged_folder(source: Path, base: Path, name: str) -> Path:
    """Where the model in `base` with the adapter in `source` merged into it lies, or will lie."""
    parts = sorted(file for file in source.iterdir() if file.is_file())
    parts += [*open_checkpoint(base).files, *sorted(base.glob("*.json"))]
    return place_of(source, parts, name, f"adapter {VERSION} of {base}")


def merge(source: Path, base: Path, name: str, progress: Progress = silent) -> Path:
    """The folder in hub layout that holds `base` with the adapter in `source` in it; made when it is not there.

    name: the beginning of the folder's name, a plain word. Raises ModelError, Cancelled from `progress`.
    """
    return once(merged_folder(source, base, name), source, partial(_write, base=base), progress)


def _write(source: Path, folder: Path, progress: Progress, base: Path) -> None:
    from safetensors.torch import load_file, save_file

    from optlab.models.low_rank import Merger

    checkpoint = open_checkpoint(base)
    merger = Merger(source, checkpoint)
    for number, file in enumerate(checkpoint.files):
        progress(number / len(checkpoint.files), say("merging {name} into its base, once", name=source.name))
        tensors = {name: merger.changed(name, values) for name, values in load_file(file).items()}
        if number == 0:
            tensors |= merger.added
        target = folder / file.relative_to(checkpoint.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: values.contiguous() for name, values in tensors.items()}, target, metadata={"format": "pt"})
    _copy_texts(source, base, folder)
    _write_json(folder / "config.json", merger.config)
    adapter = {"name": source.name, "base": base_of(source)}
    _write_json(folder / "optlab.json", {"source": str(source), "checkpoint": checkpoint.source, "adapter": adapter})


def _copy_texts(source: Path, base: Path, folder: Path) -> None:
    """The files of the base that hold no weights; the adapter's own tokenizer, whole, where it has one."""
    own = [name for name in TEXT_FILES if (source / name).is_file() and name != "generation_config.json"]
    own = own if "tokenizer.json" in own else []
    for file in sorted(base.iterdir()):
        if file.suffix in COPIED and not (own and file.name in TEXT_FILES and file.name != "generation_config.json"):
            shutil.copyfile(file, folder / file.name)
    for name in own:
        shutil.copyfile(source / name, folder / name)


def _write_json(file: Path, data: JsonObject) -> None:
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
