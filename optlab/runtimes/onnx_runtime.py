"""ONNX Runtime on the processor, with a graph of `optlab.kernels.onnx_export`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.runtimes.graph import GraphRuntime

PAST, PRESENT = "past_key_values.", "present."


class OnnxRuntime(GraphRuntime):
    """One text at a time; keys and values go from step to step without being copied through Python."""

    def __init__(self, file: Path, threads: int | None = None) -> None:
        """Raises MeasurementError when the file is not such a graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base class
            raise MeasurementError(
                "ONNX Runtime cannot read {name}: {error}", name=file.name, error=str(error).splitlines()[0]
            ) from None
        past = [one for one in self.session.get_inputs() if one.name.startswith(PAST)]
        if not past:
            raise MeasurementError("{name} takes no earlier keys and values; export it with optlab", name=file.name)
        self.path, self.notes = f"ONNX Runtime {onnxruntime.__version__}", list[str]()
        # Sizes that may change have names instead of numbers: one text, nothing before it.
        shape = [size if isinstance(size, int) else {"batch": 1}.get(size, 0) for size in past[0].shape]
        empty = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
        self._empty = {one.name: empty for one in past}
        self._outputs = [one.name for one in self.session.get_outputs()]
        self.reset()

    def reset(self) -> None:
        self._past = dict(self._empty)

    def logits(self, ids: list[int]) -> Tensor:
        tokens = onnxruntime.OrtValue.ortvalue_from_numpy(np.array([ids], np.int64))
        found = self.session.run_with_ort_values(self._outputs, {"input_ids": tokens, **self._past})
        by_name = dict(zip(self._outputs, found, strict=True))
        self._past = {name: by_name[PRESENT + name.removeprefix(PAST)] for name in self._empty}
        return torch.from_numpy(by_name["logits"].numpy()[0])
