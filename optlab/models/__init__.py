"""To WHOM: the models that can be compressed, how they are found, read, described and run.

`catalog` and `describe` work without torch, so that a page can list models; `load` imports torch when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


def load(name: str, dtype: str = "float32", device: str = "auto", progress: Progress = silent) -> LanguageModel:
    """A model ready to run, in eval mode.

    name: catalog name, folder in hub layout, .gguf file or hub id. dtype: "float32", "bfloat16", "float16" or "auto"
        (see `optlab.models.device`). device: "auto", "cpu", "cuda", "mps".
    Raises ModelError with one sentence when the model cannot be found, read or trusted.
    """
    from optlab.models.loading import load as load_now

    return load_now(name, dtype, device, progress)
