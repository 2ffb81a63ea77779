"""OpenVINO on the processor, with a graph of `optlab.kernels.onnx_export`; keys and values stay inside of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import torch
from openvino._offline_transformations import apply_make_stateful_transformation
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.runtimes.graph import GraphRuntime
from optlab.runtimes.onnx_runtime import PAST, PRESENT


class OpenVino(GraphRuntime):
    """One text at a time, in float32."""

    def __init__(self, file: Path, threads: int | None = None) -> None:
        """Raises MeasurementError when the file is not such a graph."""
        core = openvino.Core()
        try:
            model = core.read_model(str(file))
            names = [name for port in model.inputs for name in port.get_names() if name.startswith(PAST)]
            model.reshape({port: _one_text(port, model) for port in model.inputs})
            apply_make_stateful_transformation(model, {name: PRESENT + name.removeprefix(PAST) for name in names})
            settings = {
                "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "LATENCY",
            }
            self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise MeasurementError(
                "OpenVINO cannot read {name}: {error}", name=file.name, error=str(error).splitlines()[0]
            ) from None
        self.path, self.notes = f"OpenVINO {openvino.get_version().split('-')[0]}", list[str]()

    def reset(self) -> None:
        self.request.reset_state()

    def logits(self, ids: list[int]) -> Tensor:
        self.request.infer({"input_ids": np.array([ids], np.int64)})
        return torch.from_numpy(self.request.get_tensor("logits").data[0].copy())


def _one_text(port: openvino.Output, model: openvino.Model) -> openvino.PartialShape:
    shape = port.get_partial_shape()
    shape[0] = 1
    return shape
