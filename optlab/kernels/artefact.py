"""The file of a compressed model: what `save` writes is what was evaluated, and its bytes are the size that is shown.

A folder in hub layout: config.json, the tokenizer, `model.safetensors` (`optlab.safetensors` where other programs could
not read it, see `hub_format`), and `optlab.json`, which tells how to read the weights back exactly. A quantized layer
is stored as `weight_packed`, `weight_scale`, `weight_zero_point` (or, with a float zero point, `weight_minimum`) and
`weight_shape`, a sparse one as `weight_values`; where zeros are left out, `weight_bitmask`, `weight_places` or
`weight_rows` and `weight_columns` say what is there. All other tensors keep the original numbers; a tied head is
not written. A folder appears complete or not at all. Only the report on layers may come later (`note_layers`), because
it reads a calibration text; until then `optlab.json` and `optlab.origin` keep what it needs.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from optlab import files
from optlab.calibrate.remapped import LayerLineage
from optlab.compression import DTYPES, Compressed, Origin
from optlab.context import Stored
from optlab.errors import MeasurementError, ModelError, OptLabError
from optlab.files import JsonObject
from optlab.formats.codebook_tensor import CodebookTensor
from optlab.formats.float_tensor import FloatTensor
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.sparse_tensor import SparseTensor
from optlab.kernels.hub_format import OUR_FILE, PLAIN_FILE, Packing, is_plain, packing, quantization_config
from optlab.messages import decoded, encoded, say
from optlab.models.checkpoint import Checkpoint, TensorEntry, open_checkpoint, read_header, read_json, shards
from optlab.models.describe import Description
from optlab.models.device import choose_device, choose_dtype
from optlab.models.experts import separate
from optlab.models.families import library_class, library_config, objective_of, own_config, read_tensors, skeleton
from optlab.models.inputs import InputFormat, input_formats, round_inputs
from optlab.models.key_values import KeyValueFormat, key_value_formats, round_key_values
from optlab.models.language_model import LanguageModel, cast_parameters
from optlab.models.structure import analyse, is_conv1d
from optlab.models.tokenizer import Tokenizer
from optlab.models.transformer import Transformer
from optlab.progress import Progress, silent
from optlab.recipes import Recipe
from optlab.results.measurement import LayerReport
from optlab.results.training import Training

FORMAT = 1
NOTICE, CONFIG = "optlab.json", "config.json"
ORIGIN = "optlab.origin"
"""Tensors of `Origin` by "scalings.columns.NAME" and the like, as safetensors; not so called, because weights are."""
SHARD = re.compile(r"(model|optlab)(-\d{5}-of-\d{5}\.safetensors|\.safetensors\.index\.json)")
COPIED = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "generation_config.json", "chat_template.jinja",
    "LICENSE",
)  # fmt: skip
KINDS: dict[str, type[Stored]] = {
    kind.KIND: kind for kind in (QuantizedTensor, CodebookTensor, FloatTensor, SparseTensor)
}


def save(compressed: Compressed, folder: str | Path, progress: Progress = silent) -> int:
    """Write `compressed` to `folder`; returns the bytes of its weights file.

    An empty folder, or one that holds nothing but an older artefact, is replaced. Raises MeasurementError when the
    folder holds anything else or cannot be written (disk full, no permission); then nothing is left behind.
    """
    folder = Path(folder)
    try:
        _check_free(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.building(folder, replace=True) as unfinished:
            _write(compressed, unfinished, progress)
        return weight_bytes(folder)
    except (OSError, SafetensorError) as error:
        raise MeasurementError(
            "the compressed model cannot be written to {folder}: {why}", folder=folder, why=files.reason(error)
        ) from None


def note_layers(compressed: Compressed, folder: Path) -> None:
    """Add the report on layers to the artefact of `compressed` in `folder`, if it is not there. Raises OSError."""
    whole = read_json(folder / NOTICE)
    if "origin" not in whole["artefact"]:
        return
    del whole["artefact"]["origin"]
    whole["artefact"] |= reported(compressed.layers, compressed.notes)
    files.write_json(folder / NOTICE, whole, indent=2)
    (folder / ORIGIN).unlink(missing_ok=True)


def is_artefact(folder: Path) -> bool:
    """Whether `folder` says that `save` wrote it. Raises ModelError when it says so in a damaged file."""
    return (folder / NOTICE).is_file() and "artefact" in read_json(folder / NOTICE)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weights files of an artefact: one, or shards that an index lists. Raises ModelError when the index is
    damaged or names what is not there."""
    for name in (PLAIN_FILE, OUR_FILE):
        if (folder / name).is_file():
            return (folder / name,)
    for name in (PLAIN_FILE, OUR_FILE):
        if (folder / f"{name}.index.json").is_file():
            return shards(folder, name)
    return (folder / OUR_FILE,)  # whoever reads it says that it is not there


def weight_bytes(folder: Path) -> int:
    """Bytes of the weights files of an artefact."""
    return sum(os.path.getsize(file) for file in weight_files(folder))


def shard_name(file: str, number: int, count: int) -> str:
    """The name of shard `number`, from 0, of the weights file `file`."""
    return f"{file.removesuffix('.safetensors')}-{number + 1:05d}-of-{count:05d}.safetensors"


def _check_free(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise MeasurementError("{folder} is not a folder; name a new one for the compressed model", folder=folder)
    there = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    ours = {*COPIED, PLAIN_FILE, OUR_FILE, NOTICE, CONFIG, ORIGIN}
    if there and not (all(name in ours or SHARD.fullmatch(name) for name in there) and is_artefact(folder)):
        raise MeasurementError(
            "{folder} holds other files; name a new or empty folder for the compressed model",
            folder=folder,
        )


def _write(compressed: Compressed, folder: Path, progress: Progress) -> None:
    source = source_of(compressed.model.folder)
    progress(0.0, say("packing the weights"))
    tensors = packed_tensors(compressed.model, compressed.model.module.named_parameters(), compressed.stored, source)
    tensors |= trained_buffers(compressed.model.module)
    progress(0.5, say("writing the weights"))
    form = packing(compressed)
    write_weights(tensors, folder / form.weights_file)
    notice = _notice(compressed, form)
    if not compressed.layers and compressed.origin is not None:
        notice["origin"] = {"names": compressed.origin.lineage.names}
        if tensors := _origin_tensors(compressed.origin):
            save_file(tensors, folder / ORIGIN)
    write_texts(compressed.model, form, notice, source, folder)
    progress(1.0, say("written"))


def write_weights(tensors: dict[str, Tensor], file: Path) -> None:
    """A weights file, or a shard of it. Raises OSError, SafetensorError."""
    save_file(tensors, file, metadata={"format": "pt"})
    # safetensors writes its file readable by its owner alone; a model is a file like any other.
    file.chmod(0o644)


def write_texts(model: LanguageModel, form: Packing, notice: JsonObject, source: Checkpoint, folder: Path) -> None:
    """All of an artefact of `model` but its weights. notice: what `notice_of` gives. Raises OSError."""
    config = {key: value for key, value in model.config.items() if key != "quantization_config"}
    quantization = quantization_config(form)
    if quantization is not None:
        config["quantization_config"] = quantization
    files.write_json(folder / CONFIG, config, indent=2)
    for name in COPIED:
        if (model.folder / name).is_file():
            shutil.copyfile(model.folder / name, folder / name)
    whole: JsonObject = {"artefact": notice}
    if source.source is not None:
        whole["checkpoint"] = source.source
    files.write_json(folder / NOTICE, whole, indent=2)


def _origin_tensors(origin: Origin) -> dict[str, Tensor]:
    return {
        f"{of}.{side}.{name}": tensor.cpu().contiguous().clone()  # gate, up and down keep one tensor; a file does not
        for of, holder in (("scalings", origin.scalings), ("lineage", origin.lineage))
        for side in ("columns", "rows")
        for name, tensor in getattr(holder, side).items()
    }


def _origin(folder: Path, notice: JsonObject) -> Origin | None:
    """None where the layers were reported."""
    if "origin" not in notice:
        return None
    origin = Origin(lineage=LayerLineage(names=dict(notice["origin"]["names"])))
    for key, tensor in (load_file(folder / ORIGIN) if (folder / ORIGIN).is_file() else {}).items():
        of, side, name = key.split(".", 2)
        getattr(getattr(origin, of), side)[name] = tensor
    return origin


def source_of(folder: Path) -> Checkpoint:
    """The files that hold the digits of untouched weights: the original's, or those of an artefact that was loaded."""
    if is_artefact(folder):
        return Checkpoint(folder, read_json(folder / CONFIG), weight_files(folder))
    return open_checkpoint(folder)


def packed_tensors(
    model: LanguageModel, parameters: Iterable[tuple[str, Tensor]], stored: Mapping[str, Stored], source: Checkpoint
) -> dict[str, Tensor]:
    """The tensors of a weights file for these parameters of `model`, on the CPU, by their names."""
    packed = {f"{name}.weight": name for name, one in stored.items() if not is_plain(one)}
    plain = {f"{name}.weight": one for name, one in stored.items() if is_plain(one)}
    tensors: dict[str, Tensor] = {}
    for parameter, value in parameters:  # names a tied tensor once
        if parameter in packed:
            name = packed[parameter]
            tensors |= {f"{name}.{part}": tensor.cpu().contiguous() for part, tensor in stored[name].parts().items()}
            tensors[f"{name}.weight_shape"] = torch.tensor(stored[name].shape)
        elif parameter in plain:
            module = model.module_named(parameter.removesuffix(".weight"))
            tensors[parameter] = _as_kept(module, plain[parameter].parts()["weight"].cpu())
        else:
            tensors[parameter] = _digits(value.detach().cpu(), source.tensors.get(parameter), DTYPES[source.dtype])
    return tensors


def trained_buffers(module: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint holds beside parameters: the correction biases of routers, scalars of layers; on the CPU."""
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    state = module.state_dict()
    return {name: state[name].detach().cpu().contiguous() for name in state if name not in parameters}


def _as_kept(module: nn.Module, W: Tensor) -> Tensor:
    """W [out, in] as `module` keeps it, and the reverse: GPT-2 keeps [in, out]."""
    return W.T.contiguous() if is_conv1d(module) else W.contiguous()


def _digits(value: Tensor, entry: TensorEntry | None, usual: torch.dtype) -> Tensor:
    """A dense parameter as it is written: the file's own number where it was not touched, however the model was cast;
    else in the file's dtype where that loses nothing."""
    if entry is not None and entry.shape == tuple(value.shape):
        usual = DTYPES[entry.dtype]
        original = read_tensors({entry.name: entry}, usual)[entry.name]
        if torch.equal(original.to(value.dtype), value):
            return original
    narrow = value.to(usual)
    return (narrow if torch.equal(narrow.to(value.dtype), value) else value).contiguous()


def _notice(compressed: Compressed, form: Packing) -> JsonObject:
    model = compressed.model
    return notice_of(
        model,
        compressed.recipe,
        form,
        stored={name: stored.meta() for name, stored in compressed.stored.items()},
        inputs={name: chosen.meta() for name, chosen in input_formats(model.module).items()},
        key_values={name: chosen.meta() for name, chosen in key_value_formats(model).items()},
        seconds=compressed.seconds,
        trainings=[training.to_dict() for training in compressed.trainings],
        **reported(compressed.layers, compressed.notes),
    )


def notice_of(model: LanguageModel, recipe: Recipe, form: Packing, **parts: object) -> JsonObject:
    """What optlab.json says of an artefact: `parts`, and whose it is."""
    return {
        "format": FORMAT,
        "model": model.name,
        "fingerprint": model.fingerprint,
        "recipe": recipe.to_dict(),
        **parts,
        "only_optlab_reads_it": form.reason_against,
        "description": model.description.to_dict(),
    }


def reported(layers: Sequence[LayerReport], notes: Sequence[str]) -> JsonObject:
    """The report on layers, for `notice_of`."""
    return {"layers": [layer.to_dict() for layer in layers], "notes": [encoded(note) for note in notes]}


def load_artefact(
    folder: str | Path, dtype: str = "float32", device: str = "auto", *, hollow: bool = False
) -> Compressed:
    """Read an artefact back: the same weights, exactly (in float32), and how each of them is stored.

    dtype, device: as `optlab.models.load`. hollow: quantized linear layers of the Llama family hold no values, only
    their shape; a runtime reads `stored`, and needs the memory of the packed file instead of that of the original.
    Raises ModelError when the folder is not an artefact or is damaged.
    """
    folder = Path(folder)
    if not is_artefact(folder):
        raise ModelError(
            "{folder} is not a model that OptLab compressed: it has no {notice} that says so",
            folder=folder,
            notice=NOTICE,
        )
    notice = read_json(folder / NOTICE)["artefact"]
    target = choose_device(device)
    chosen = choose_dtype(dtype, target)
    config = read_json(folder / CONFIG)
    config.pop("quantization_config", None)
    for file in weight_files(folder):
        read_header(file)  # for its sentences about truncated and damaged files
    try:
        if notice["format"] != FORMAT:
            raise ModelError(
                "{folder} was written in format {format}, this version reads {readable}",
                folder=folder,
                format=notice["format"],
                readable=FORMAT,
            )
        tensors = {name: one for file in weight_files(folder) for name, one in load_file(file).items()}
        parts = {name: parts_of(name, tensors) for name in notice["stored"]}
        module = _empty(config)
        stored: dict[str, Stored] = {}
        for name, meta in notice["stored"].items():
            layer = module.get_submodule(name)
            if set(parts[name]) == {"weight"}:  # a pruned weight for which no form was cheaper than numbers
                parts[name] = {"weight": _as_kept(layer, parts[name]["weight"])}
            stored[name] = KINDS[meta["kind"]].from_parts(meta, parts[name])
            if hollow and isinstance(module, Transformer) and isinstance(layer, nn.Linear):
                tensors[f"{name}.weight"] = torch.zeros((), dtype=chosen).expand(stored[name].shape)
            else:
                tensors[f"{name}.weight"] = _as_kept(layer, stored[name].dequantize())
        module = _filled(module, tensors, chosen).to(target)
        for name, meta in notice.get("inputs", {}).items():
            round_inputs(module.get_submodule(name), InputFormat(**meta))
        description = Description.from_dict(notice["description"])
        model = LanguageModel(
            name=notice["model"],
            family=description.family,
            objective=objective_of(config),
            module=module,
            tokenizer=Tokenizer.from_folder(folder),
            config=config,
            folder=folder,
            fingerprint=notice["fingerprint"],
            description=description,
            structure=analyse(module),
        )
        for name, meta in notice.get("key_values", {}).items():
            round_key_values(model, name, KeyValueFormat(**meta))
        recipe = Recipe.from_dict(notice["recipe"])
        layers = [LayerReport.model_validate(one) for one in notice["layers"]]
        trainings = [Training.model_validate(one) for one in notice.get("trainings", [])]
        notes = [decoded(note) for note in notice["notes"]]
        origin = _origin(folder, notice)
        return Compressed(model, stored, layers, recipe, notice["seconds"], notes, trainings, origin)
    except (KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        if isinstance(error, OptLabError):
            raise
        raise ModelError(
            "{folder} is damaged ({error!r}); make the artefact again", folder=folder, error=error
        ) from None


def parts_of(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the parts of layer `name` out of `tensors`."""
    keys = [key for key in tensors if key.startswith(f"{name}.weight")]
    parts = {key.removeprefix(f"{name}."): tensors.pop(key) for key in keys}
    parts.pop("weight_shape", None)
    return parts


def _empty(config: JsonObject) -> nn.Module:
    """The module of a config, its weights undefined."""
    own = own_config(config)
    if own is None:
        library = library_config(config)
        library.use_cache = False
        return separate(library_class(library, objective_of(config))(library))
    module = skeleton(config)
    assert isinstance(module, Transformer)
    return module


def _filled(module: nn.Module, weights: dict[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """`module` with `weights` (as it keeps them) in `dtype`, in eval mode. Raises ValueError when they do not fit."""
    wanted = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    buffers = trained_buffers(module)
    wanted |= {name: tuple(buffer.shape) for name, buffer in buffers.items()}
    found = {name: tuple(W.shape) for name, W in weights.items()}
    if wrong := [name for name in sorted(set(wanted) | set(found)) if wanted.get(name) != found.get(name)]:
        raise ValueError(f"{wrong[0]} does not fit config.json")
    cast = {name: W if name in buffers else W.to(dtype) for name, W in weights.items()}
    module.load_state_dict(cast, strict=False, assign=isinstance(module, Transformer))
    if isinstance(module, Transformer):
        module.tie()
    cast_parameters(module, dtype)
    return module.eval()
