"""What reaches each linear layer: second moments, means and ranges of its inputs over a calibration text.

Computed block by block (`walk`) and written to disk block by block, so memory never holds more than the hidden states
of the text, one block's matrices and what a batch of 2048 tokens needs inside a block: for SmolLM2-135M and 16384
tokens in float32 38 MB, 14 MB and the rest of a measured peak of 212 MB beside the model. On disk a block takes 14 MB,
in safetensors, under a name made of everything that decides the numbers. A second recipe pays nothing; a damaged file
is computed again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from optlab import files, paths, sealed, texts
from optlab.calibrate.walk import Walk, in_batches, linears_of
from optlab.errors import MeasurementError, ModelError
from optlab.framing import BosRule, Framing
from optlab.messages import say
from optlab.models.checkpoint import read_header, read_json
from optlab.models.language_model import LanguageModel
from optlab.progress import Progress, silent

VERSION = 3
INDEX = "index.json"


class Statistics:
    """Read-only view of a folder of statistics; each tensor is read from disk when it is asked for.

    `name in statistics` tells whether layer `name` is covered; all methods raise KeyError where it is not. An expert
    that no token reached is covered by neutral numbers: every input counts alike, so that it is rounded to nearest.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when a file is missing, truncated or damaged."""
        index = read_json(folder / INDEX)
        self.folder = folder
        self.tokens = int(index["tokens"])
        self._places: dict[str, list[str]] = index["layers"]
        self._seen: dict[str, int] = index["seen"]
        self._unread: dict[str, int] = index["unread"]
        present = {file: {entry.name for entry in read_header(folder / file)} for file in index["files"]}
        for file, key in self._places.values():
            if f"{key}.gram" not in present.get(file, set()):
                raise ModelError("{folder} lacks the statistics of {key}", folder=folder / file, key=key)

    def __contains__(self, name: object) -> bool:
        return name in self._places or name in self._unread

    def gram(self, name: str) -> Tensor:
        """Mean of x x^T over all tokens, float32 [in, in], where x is the input of layer `name`."""
        return self._read(name, "gram")

    def mean(self, name: str) -> Tensor:
        """Mean of x, float32 [in]."""
        return self._read(name, "mean")

    def mean_abs(self, name: str) -> Tensor:
        """Mean of |x|, float32 [in]."""
        return self._read(name, "mean_abs")

    def absmax(self, name: str) -> Tensor:
        """Largest |x| of each input, float32 [in]."""
        return self._read(name, "absmax")

    def shared_with(self, name: str) -> str:
        """The layer under whose name the input of `name` is stored: q, k and v of a block read the same input."""
        return name if name in self._unread else self._places[name][1]

    def seen(self, name: str) -> int:
        """How many tokens layer `name` read: all, or for an expert those that the router sent it."""
        return 0 if name in self._unread else self._seen[self._places[name][1]]

    def _read(self, name: str, what: str) -> Tensor:
        if name in self._unread:
            return neutral(self._unread[name])[what]
        file, key = self._places[name]
        try:
            with safe_open(self.folder / file, framework="pt") as opened:
                found: Tensor = opened.get_tensor(f"{key}.{what}")
        except (OSError, SafetensorError):
            raise ModelError(
                "the statistics in {folder} were thrown away or changed while they were used; run it again",
                folder=self.folder,
            ) from None
        return found


def neutral(width: int) -> dict[str, Tensor]:
    """Moments of inputs that all count alike, float32: what is assumed of a layer that read nothing."""
    ones = torch.ones(width)
    return {"gram": torch.eye(width), "mean": torch.zeros(width), "mean_abs": ones, "absmax": ones}


def statistics(
    model: LanguageModel, text: str, tokens: int, context: int, seed: int = 0, progress: Progress = silent,
    bos: BosRule = "auto",
) -> Statistics:  # fmt: skip
    """Statistics of `model` on about `tokens` tokens of the calibration side of `text`, in windows of `context` that
    begin as `bos` says (`optlab.framing`).

    model: as it was loaded (its fingerprint names the result, so it must not have been changed). Raises TextError when
    the text is too short, MeasurementError when the disk is full, Cancelled from `progress`.
    """
    framing = model.framing(bos)
    folder = paths.folder("calibration") / _key(model, text, tokens, context, seed, framing)
    if sealed.intact(folder):
        try:
            return Statistics(folder)
        except (ModelError, KeyError, TypeError, ValueError):
            sealed.discard(folder)
    windows = texts.calibration_windows(text, model.tokenizer, tokens, context, seed, framing)
    try:
        with sealed.building(folder) as unfinished:
            gather(model, in_batches(windows), unfinished, progress)
    except (OSError, SafetensorError) as error:
        raise not_kept(folder, error) from None
    return Statistics(folder)


def not_kept(place: Path, error: Exception) -> MeasurementError:
    """That what a calibration text showed could not be written to `place`."""
    return MeasurementError(
        "what the calibration text showed cannot be kept in {place}: {why}", place=place, why=files.reason(error)
    )


def _key(model: LanguageModel, text: str, tokens: int, context: int, seed: int, framing: Framing) -> str:
    decides = [VERSION, model.fingerprint, texts.fingerprint(text), text, tokens, context, seed, str(model.dtype)]
    decides += [framing.before, framing.after] if framing else []  # what had none before is what it was
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


@dataclass
class Moments:
    """Running sums over the inputs of one layer: x x^T, x, |x|, max |x|, how many; float32."""

    gram: Tensor | None = None
    total: Tensor | None = None
    total_abs: Tensor | None = None
    absmax: Tensor | None = None
    count: int = 0

    def add(self, x: Tensor) -> None:
        """x: [..., in], any dtype."""
        X = x.detach().reshape(-1, x.shape[-1]).float()
        size = X.abs()
        largest = size.amax(0)
        if self.gram is None or self.total is None or self.total_abs is None or self.absmax is None:
            self.gram, self.total, self.total_abs, self.absmax = X.T @ X, X.sum(0), size.sum(0), largest
        else:
            self.gram.addmm_(X.T, X)
            self.total += X.sum(0)
            self.total_abs += size.sum(0)
            torch.maximum(self.absmax, largest, out=self.absmax)
        self.count += X.shape[0]

    def tensor(self, what: str) -> Tensor:
        """One of gram, mean, mean_abs and absmax, on the CPU, as `Statistics` gives it."""
        sums = {"gram": self.gram, "mean": self.total, "mean_abs": self.total_abs, "absmax": self.absmax}
        found = sums[what]
        assert found is not None, "nothing was added"
        return (found if what == "absmax" else found / self.count).cpu()

    def tensors(self, key: str) -> dict[str, Tensor]:
        """All of them, by the names that they have in a file."""
        return {f"{key}.{what}": self.tensor(what) for what in ("gram", "mean", "mean_abs", "absmax")}


@dataclass
class Listener:
    """Hooks on linear layers; layers that are handed the very same tensor share one Moments."""

    layers: dict[str, nn.Module]
    shared: dict[str, str] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)
    _first: dict[int, tuple[str, Tensor]] = field(default_factory=dict)

    def __enter__(self) -> Listener:
        self._handles = [module.register_forward_pre_hook(self._hook(name)) for name, module in self.layers.items()]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def learned(self) -> None:
        """Call after the first batch: who shares an input is known, and the tensors of that batch are let go."""
        self._first.clear()

    def _hook(self, name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0]
            if name not in self.shared:
                # The tensor is kept beside its id: an id is free again once its tensor is gone.
                key, _ = self._first.setdefault(id(x), (name, x))
                self.shared[name] = key
            if self.shared[name] == name:
                self.moments.setdefault(name, Moments()).add(x)

        return hook


@torch.no_grad()
def gather(model: LanguageModel, batches: list[Tensor], folder: Path, progress: Progress = silent) -> None:
    """Write the statistics of `model` on `batches` (ids [B, T]) into `folder`: a file per block, one for the head."""
    places: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    unread: dict[str, int] = {}
    files: list[str] = []
    walk = Walk(model, batches)
    names, blocks = model.linear_names(), model.blocks()
    for number, (prefix, block) in enumerate(blocks):
        file = f"block-{number:04d}.safetensors"
        with Listener(linears_of(block, prefix, names)) as listener:
            for batch in range(len(batches)):
                done = (number + batch / len(batches)) / (len(blocks) + 1)
                progress(
                    done,
                    say(
                        "collecting calibration statistics: block {number}/{block_count}",
                        number=number + 1,
                        block_count=len(blocks),
                    ),
                )
                walk.states[batch] = walk.through(batch)
                listener.learned()
        walk.position += 1
        tensors = {k: v for key, moments in listener.moments.items() for k, v in moments.tensors(key).items()}
        save_file(tensors, folder / file)
        files.append(file)
        places |= {name: [file, key] for name, key in listener.shared.items()}
        seen |= {key: moments.count for key, moments in listener.moments.items()}
        unread |= {name: model.weight(name).shape[1] for name in listener.layers if name not in listener.shared}
    head = Moments()
    for hidden in walk.outputs():
        head.add(hidden)
    name = model.structure.head
    save_file(head.tensors(name), folder / "head.safetensors")
    places[name] = ["head.safetensors", name]
    seen[name] = head.count
    files.append("head.safetensors")
    index = {"tokens": head.count, "layers": places, "seen": seen, "unread": unread, "files": files}
    # Written last: a folder with an index is complete.
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
