"""ONNX, for ONNX Runtime and OpenVINO: the graph with its tokenizer, codes as codes and all else in exact floats."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.exports.export_format import ExportFormat, Written
from optlab.kernels.writable import check_onnx, check_weights_alone
from optlab.models.hub_config import HubConfig
from optlab.progress import Progress, silent
from optlab.recipes import Recipe

if TYPE_CHECKING:
    from optlab.compression import Compressed

BESIDE = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "LICENSE")
"""What a program needs around the graph."""
USAGE = """With `pip install onnxruntime tokenizers numpy`, in the unpacked folder:

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

session = onnxruntime.InferenceSession("model.onnx")
ids = Tokenizer.from_file("tokenizer.json").encode("Once upon a time").ids
past = {{one.name: np.zeros((1, one.shape[1], 0, one.shape[3]), np.float32)
        for one in session.get_inputs() if one.name != "input_ids"}}
logits = session.run(["logits"], {{"input_ids": np.array([ids], np.int64), **past}})[0]
```

OpenVINO reads the same file: `openvino.Core().read_model("model.onnx")`."""


def check(name: str, family: str, hub: HubConfig | None, recipe: Recipe) -> None:
    """See `ExportFormat`. Raises ModelError."""
    check_onnx(name, family, hub)
    check_weights_alone(recipe)


def write(compressed: Compressed, folder: Path, stem: str, progress: Progress = silent) -> Written:
    """`folder`/model.onnx and the tokenizer. Raises ModelError."""
    from optlab.kernels import onnx_export

    tensors = onnx_export.export(compressed, folder / "model.onnx", progress)
    source = compressed.model.folder
    for name in BESIDE:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    return Written(tensors, usage=USAGE.format())


ONNX = ExportFormat("onnx", "ONNX", "ONNX Runtime", "onnxruntime", zipped=True, write=write, check=check)
