"""A packed checkpoint, once, into a folder in hub layout whose weights are floats; every later load reads that folder.

A weight becomes float16 where that loses nothing that matters (a code times a scale of 11 bits has a few bits more),
else float32. All else keeps the numbers it has.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab.files import JsonObject, write_json
from optlab.messages import say
from optlab.models.checkpoint import FLOATS, Checkpoint, open_checkpoint
from optlab.models.conversion import in_files, once, place_of
from optlab.models.quantized.compressed_tensors import rounds_inputs
from optlab.models.quantized.format import PackedFormat
from optlab.models.quantized.layers import PackedLayer, packed_format, packed_layers, read_as_stored
from optlab.models.safetensors_writer import SafetensorsWriter
from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
"""Raised when the written files change, so that older conversions are not reused."""

COPIED = (".json", ".txt", ".model", ".jinja")
TRANSPOSED = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")
"""Families whose layers keep their weights [in, out]."""
OF_CACHE = (".k_scale", ".v_scale", ".q_scale")
"""Scales to which a tool rounds keys and values when it runs; they are no weights."""
TOLERANCE = 2.0**-10
"""Relative change of a weight that float16 may make."""


def is_packed(folder: Path) -> bool:
    """Whether `folder` holds packed weights in a format that is read. Raises ModelError as `packed_format` does."""
    return packed_format(open_checkpoint(folder, packed=True)) is not None


def converted_folder(source: Path, name: str) -> Path:
    """Where the floats of the packed checkpoint `source` lie, or will lie."""
    files = sorted(source.glob("*.safetensors")) + sorted(source.glob("*.json"))
    return place_of(source, files, name, f"packed {VERSION}")


def convert(source: Path, name: str, progress: Progress = silent) -> Path:
    """The folder in hub layout that holds the weights of `source` as floats; made when it is not there.

    name: the beginning of the folder's name, a plain word. Raises ModelError, Cancelled from `progress`.
    """
    return once(converted_folder(source, name), source, _write, progress)


def _write(source: Path, folder: Path, progress: Progress) -> None:
    checkpoint = open_checkpoint(source, packed=True)
    format = packed_format(checkpoint)
    assert format is not None  # whoever converts has asked
    layers = list(packed_layers(checkpoint, format))
    taken = {entry.name for layer in layers for entry in layer.parts.values()}
    plain = [
        name
        for name, entry in checkpoint.tensors.items()
        if name not in taken and entry.dtype in FLOATS and not name.endswith(OF_CACHE)
    ]
    jobs: list[PackedLayer | str] = [*layers, *plain]
    shards = in_files(jobs, lambda job: _room(checkpoint, job))
    weight_map: dict[str, str] = {}
    widths = Counter[int]()
    elements = done = 0
    for file, shard in shards.items():
        names = [job if isinstance(job, str) else f"{job.name}.weight" for job in shard]
        with SafetensorsWriter(folder / file, names) as writer:
            for job, name in zip(shard, names, strict=True):
                progress(
                    done / len(jobs),
                    say("reading {name}, once: {done} of {total}", name=source.name, done=done, total=len(jobs)),
                )
                if isinstance(job, str):
                    values = read_as_stored({name: checkpoint.tensors[name]})[name]
                    if _is_placeholder(name, values, {layer.name for layer in layers}, checkpoint):
                        done += 1
                        continue
                else:
                    values = _floats(job, checkpoint.config)
                    elements += values.numel()
                    widths[round(8 * job.bytes / values.numel())] += values.numel()
                writer.add(name, _as_numpy(values))
                weight_map[name] = file
                done += 1
    if len(shards) > 1:
        write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map}, indent=2)
    for one in sorted(source.iterdir()):
        if one.suffix in COPIED and one.name not in ("config.json", "model.safetensors.index.json", "optlab.json"):
            shutil.copyfile(one, folder / one.name)
    config = {key: value for key, value in checkpoint.config.items() if key != "quantization_config"}
    write_json(folder / "config.json", config, indent=2)
    storage = _storage(checkpoint, format, layers, widths, elements)
    write_json(folder / "optlab.json", {"source": str(source), "checkpoint": storage}, indent=2)


def _floats(layer: PackedLayer, config: Mapping[str, Any]) -> Tensor:
    import torch

    found = layer.weight()
    W = found if isinstance(found, torch.Tensor) else found.dequantize()
    narrow = W.half()
    fits = bool((narrow.float() - W).norm() <= TOLERANCE * W.norm())
    W = narrow if fits else W
    return W.T.contiguous() if config.get("model_type") in TRANSPOSED else W.contiguous()


def _is_placeholder(name: str, values: Tensor, packed: set[str], checkpoint: Checkpoint) -> bool:
    """Whether `name` is a bias of zeros that the model does not have: some tools write one for every packed layer."""
    layer, _, leaf = name.rpartition(".")
    if leaf != "bias" or layer not in packed or bool(values.any()):
        return False
    from optlab.models.families import skeleton

    return name not in skeleton(checkpoint.config).state_dict()


def _as_numpy(values: Tensor) -> Any:
    import torch

    # numpy has no bfloat16; the writer takes its bits as uint16.
    values = values.contiguous()
    return values.view(torch.uint16).numpy() if values.dtype == torch.bfloat16 else values.numpy()


def _room(checkpoint: Checkpoint, job: PackedLayer | str) -> int:
    """Bytes that a job writes, roughly: packed weights grow about fourfold."""
    return checkpoint.tensors[job].bytes if isinstance(job, str) else 4 * job.bytes


def _storage(
    checkpoint: Checkpoint, format: PackedFormat, layers: list[PackedLayer], widths: Counter[int], elements: int
) -> JsonObject:
    """What is remembered of how the weights were stored; read by `optlab.models.notes`."""
    settings = checkpoint.config["quantization_config"]
    return {
        "tool": format.name,
        "format": format.name,
        "bits": widths.most_common(1)[0][0],
        "mean_bits": round(8 * sum(layer.bytes for layer in layers) / elements, 2),
        "layers": len(layers),
        "rounds_inputs": format.name == "compressed-tensors" and rounds_inputs(settings),
        "file_bytes": checkpoint.size_bytes,
    }
