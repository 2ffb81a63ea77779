"""GGUF, for llama.cpp and what is built on it: one file, its blocks holding the codes that were measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.exports.export_format import ExportFormat, Written
from optlab.kernels.writable import check_gguf, check_weights_alone
from optlab.messages import say
from optlab.models.hub_config import HubConfig
from optlab.progress import Progress, silent, span
from optlab.recipes import Recipe

if TYPE_CHECKING:
    from optlab.compression import Compressed

USAGE = """```
llama-cli -m {file} -p "Once upon a time"
llama-perplexity -m {file} -f your-text.txt
```"""


def check(name: str, family: str, hub: HubConfig | None, recipe: Recipe) -> None:
    """See `ExportFormat`. Raises ModelError."""
    check_gguf(name, family, hub)
    check_weights_alone(recipe)


def write(compressed: Compressed, folder: Path, stem: str, progress: Progress = silent) -> Written:
    """`folder`/`stem`.gguf. Raises ModelError."""
    from optlab.kernels import gguf_export

    file = folder / f"{stem}.gguf"
    tensors = gguf_export.export(compressed, file, span(progress, 0.0, 0.6))
    return Written(tensors, rounding(file, compressed, span(progress, 0.6, 1.0)), USAGE.format(file=file.name))


def rounding(file: Path, compressed: Compressed, progress: Progress = silent) -> float:
    """Root mean square of the difference between the weights that llama.cpp's own package reads from `file` and those
    of `compressed`, relative to these. Blocks of 32 hold codes exactly, but their minimum in 16 bits, and what has no
    blocks is written as float16."""
    import gguf
    from gguf.quants import dequantize

    from optlab.kernels.gguf_export import gguf_name, order_of_rows

    read = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    parameters = dict(compressed.model.module.named_parameters())
    difference = size = 0.0
    for done, (name, parameter) in enumerate(parameters.items()):
        progress(done / len(parameters), say("comparing {name} with what was measured", name=name))
        tensor = read[gguf_name(name)]
        W = parameter.detach().float().cpu()
        order = order_of_rows(name, compressed.model)
        expected = (W if order is None else W[order]).numpy()
        found = dequantize(tensor.data, tensor.tensor_type).reshape(expected.shape)
        difference += float(((found - expected) ** 2).sum(dtype="float64"))
        size += float((expected**2).sum(dtype="float64"))
    return math.sqrt(difference / size) if size else 0.0


GGUF = ExportFormat("gguf", "GGUF", "llama.cpp", "gguf", zipped=False, write=write, check=check)
