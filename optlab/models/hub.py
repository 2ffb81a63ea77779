"""Models by hub id: from this machine's hub cache when they are there, else downloaded with progress.

Only safetensors, JSON and tokenizer text files are asked for, so that no pickle and no code ever arrives.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from optlab.errors import ModelError, OptLabError
from optlab.messages import say
from optlab.models.checkpoint import is_adapter, open_checkpoint
from optlab.progress import Progress

WANTED = [
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt",
    "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "adapter_config.json",
]  # fmt: skip
UNWANTED = ["consolidated*", "*/*"]


def offline() -> bool:
    """Whether downloads are switched off by HF_HUB_OFFLINE."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def cached(hub_id: str) -> Path | None:
    """The snapshot of `hub_id` in the hub cache when it is complete, else None."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True, allow_patterns=WANTED, ignore_patterns=UNWANTED))
        if not is_adapter(folder):
            open_checkpoint(folder, packed=True)
    except (OSError, ValueError, ModelError):
        return None
    return folder


def download(hub_id: str, progress: Progress) -> Path:
    """The snapshot of `hub_id`, from the hub cache or the network. Raises ModelError, Cancelled from `progress`."""
    folder = cached(hub_id)
    if folder is not None:
        return folder
    if offline():
        raise ModelError(
            "{hub_id} is not on this disk and HF_HUB_OFFLINE forbids downloading it; unset HF_HUB_OFFLINE, or "
            "give a local folder or .gguf file",
            hub_id=hub_id,
        )
    from huggingface_hub import errors as hub_errors
    from huggingface_hub import snapshot_download

    progress(0.0, say("looking up {hub_id} on the hub", hub_id=hub_id))
    try:
        found = snapshot_download(
            hub_id, allow_patterns=WANTED, ignore_patterns=UNWANTED, tqdm_class=_reporting_bar(hub_id, progress)
        )
    except OptLabError:
        raise
    except hub_errors.GatedRepoError:
        raise ModelError(
            "{hub_id} is gated; accept its terms on huggingface.co and set HF_TOKEN", hub_id=hub_id
        ) from None
    except hub_errors.RepositoryNotFoundError:
        raise ModelError(
            "the hub has no public model {hub_id}; check its spelling, or set HF_TOKEN", hub_id=hub_id
        ) from None
    except Exception as error:  # the client passes on whatever its transport raises
        raise ModelError(
            "{hub_id} could not be downloaded ({name}); check the network, or give a local folder or .gguf file",
            hub_id=hub_id,
            name=type(error).__name__,
        ) from None
    return Path(found)


def _reporting_bar(hub_id: str, progress: Progress) -> Any:
    """A class of progress bars that draw nothing and send their byte count to `progress`.

    Made from plain tqdm: the hub's own subclass falls silent when any library has switched its bars off.
    """
    from tqdm import tqdm

    class ReportingBar(tqdm):
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **{**keywords, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn: bool | None = super().update(n)
            if self.unit == "B" and self.total:
                progress(
                    min(self.n / self.total, 1.0),
                    say("downloading {hub_id}: {n:.0f} MB", hub_id=hub_id, n=self.n / 1000000.0),
                )
            return drawn

    return ReportingBar
