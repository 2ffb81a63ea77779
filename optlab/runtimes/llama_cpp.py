"""llama.cpp on the processor, through llama-cpp-python, with a file of `optlab.kernels.gguf_export`."""

from __future__ import annotations

from pathlib import Path

import llama_cpp
import numpy as np
import torch
from torch import Tensor

from optlab.errors import MeasurementError
from optlab.kernels.runtime import CONTEXT


class LlamaCpp:
    """One text at a time."""

    def __init__(self, file: Path, threads: int | None = None, room: int = CONTEXT) -> None:
        """Raises MeasurementError when llama.cpp cannot read the file."""
        threads = threads or torch.get_num_threads()
        try:
            self.model = llama_cpp.Llama(
                str(file), n_ctx=room, n_batch=room, n_threads=threads, n_threads_batch=threads, verbose=False
            )
        except ValueError as error:
            raise MeasurementError("llama.cpp cannot read {name}: {error}", name=file.name, error=error) from None
        self.path, self.notes = f"llama.cpp ({llama_cpp.__version__})", list[str]()

    def reset(self) -> None:
        self.model.reset()
        self.model._ctx.kv_cache_clear()

    def prefill(self, ids: list[int]) -> Tensor:
        self.reset()
        return self._read(ids)

    def decode(self, token: int) -> Tensor:
        return self._read([token])

    def _read(self, ids: list[int]) -> Tensor:
        self.model.eval(ids)
        pointer = llama_cpp.llama_get_logits_ith(self.model._ctx.ctx, -1)
        return torch.from_numpy(np.ctypeslib.as_array(pointer, (self.model.n_vocab(),)).copy())
