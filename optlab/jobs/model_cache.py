"""Models that this process has loaded already: the second run on a model starts in milliseconds.

Two are kept, enough for a model and the one it is compared with. They are shared between runs, so nobody may change
them (`optlab.compression.compress` does not).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

KEPT = 2

_models: OrderedDict[tuple[str, str, str, str], LanguageModel] = OrderedDict()


def model(name: str, dtype: str, device: str = "auto", progress: Progress = silent) -> LanguageModel:
    """The model `name` in `dtype` ("float32" or "bfloat16"), from memory when its weights have not changed on disk.

    Raises ModelError as `optlab.models.load` does.
    """
    from optlab.models import load
    from optlab.models.describe import describe_apart

    fingerprint = describe_apart(name, progress).fingerprint
    identity = (name, fingerprint, dtype, device)
    if identity not in _models:
        while len(_models) >= KEPT:  # before loading: three models at once may not fit
            _models.popitem(last=False)
        _models[identity] = load(name, dtype, device, progress)
    _models.move_to_end(identity)
    return _models[identity]


def forget() -> None:
    """Drop all models, to give their memory back."""
    _models.clear()
