"""How much the loss would change with each weight: gradients of the original model on a calibration text.

One backward pass per window; kept is, for every linear layer, the mean over windows of |dL/dw|, with L the mean loss of
the window in nats. To first order |w dL/dw| is what zeroing that weight alone does to the loss of a window (Molchanov
et al., arXiv 1611.06440, eq. 7). Kept on disk in bfloat16, 2 bytes per weight: a score needs no more than three digits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from optlab import paths, sealed, texts
from optlab.calibrate.statistics import not_kept
from optlab.errors import ModelError
from optlab.framing import BosRule
from optlab.messages import say
from optlab.models.language_model import LanguageModel
from optlab.models.structure import is_conv1d
from optlab.models.train import next_token_loss
from optlab.progress import Progress, silent

VERSION = 1
MASKED_SHARE = 0.15
"""Tokens of a window that a masked model has to fill in (Devlin et al., arXiv 1810.04805)."""


class Gradients:
    """Read-only view of a file of gradients; `name in gradients` tells whether layer `name` is covered."""

    def __init__(self, file: Path) -> None:
        """Raises SafetensorError or OSError when the file is missing or damaged."""
        self.file = file
        with safe_open(file, framework="pt") as opened:
            self._names = set(opened.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def mean_abs(self, name: str) -> Tensor:
        """Mean over windows of |dL/dW|, float32 [out, in], L in nats per token. Raises KeyError."""
        if name not in self._names:
            raise KeyError(name)
        with safe_open(self.file, framework="pt") as opened:
            found: Tensor = opened.get_tensor(name)
        return found.float()


def gradients(
    model: LanguageModel, text: str, tokens: int, context: int, seed: int = 0, progress: Progress = silent,
    bos: BosRule = "auto",
) -> Gradients:  # fmt: skip
    """Gradients of `model` on about `tokens` tokens of the calibration side of `text`, in windows of `context` that
    begin as `bos` says (`optlab.framing`).

    model: as it was loaded, in float32; its weights do not change. Raises TextError when the text is too short,
    ModelError for a masked model without a mask token, MeasurementError when the disk is full, Cancelled from
    `progress`.
    """
    decides = [VERSION, model.fingerprint, texts.fingerprint(text), text, tokens, context, seed, str(model.dtype)]
    framing = model.framing(bos)
    decides += [framing.before, framing.after] if framing else []  # what had none before is what it was
    key = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]
    file = paths.folder("calibration") / f"gradients-{key}.safetensors"
    if sealed.intact(file):
        try:
            return Gradients(file)
        except (SafetensorError, OSError):
            sealed.discard(file)
    windows = texts.calibration_windows(text, model.tokenizer, tokens, context, seed, framing)
    found = mean_abs_gradients(model, windows, seed, progress)
    try:
        with sealed.writing(file) as unfinished:
            save_file({name: G.to(torch.bfloat16).cpu().contiguous() for name, G in found.items()}, unfinished)
    except (OSError, SafetensorError) as error:
        raise not_kept(file, error) from None
    return Gradients(file)


def mean_abs_gradients(
    model: LanguageModel, windows: list[list[int]], seed: int = 0, progress: Progress = silent
) -> dict[str, Tensor]:
    """Mean over `windows` (token ids) of |dL/dW|, float32 [out, in], of every linear layer of the blocks by name."""
    names = model.linear_names()
    sums = {name: torch.zeros_like(model.weight(name)) for name in names}
    generator = torch.Generator().manual_seed(seed)
    with _only(model, names), torch.enable_grad():
        for done, window in enumerate(windows):
            progress(
                done / len(windows),
                say(
                    "measuring how sensitive the loss is to each weight: window {done}/{window_count}",
                    done=done + 1,
                    window_count=len(windows),
                ),
            )
            loss(model, torch.tensor([window], device=model.device), generator).backward()
            for name in names:
                parameter = model.module_named(name).get_parameter("weight")
                if parameter.grad is None:  # an expert that no token of the window reached
                    continue
                G = parameter.grad.T if is_conv1d(model.module_named(name)) else parameter.grad
                sums[name] += G.abs()
                parameter.grad = None
    return {name: total / len(windows) for name, total in sums.items()}


def mean_gradients(
    model: LanguageModel, windows: list[list[int]], names: list[str], seed: int = 0, progress: Progress = silent
) -> dict[str, Tensor]:
    """dL/dW of layers `names`, bfloat16 [out, in], with L the mean loss of `windows` (token ids) in nats.

    model: float32; its weights do not change. <dL/dW, D> is to first order what a change D of W does to the loss on
    these very words. Raises ModelError for a masked model without a mask token, Cancelled from `progress`.
    """
    generator = torch.Generator().manual_seed(seed)
    with _only(model, names), torch.enable_grad():
        for done, window in enumerate(windows):
            progress(done / len(windows), say("reading the words that are measured"))
            (loss(model, torch.tensor([window], device=model.device), generator) / len(windows)).backward()
        found = {}
        for name in names:
            layer, W = model.module_named(name), model.weight(name)
            G = layer.get_parameter("weight").grad
            # An expert that no token reached has none.
            G = torch.zeros_like(W) if G is None else G.T if is_conv1d(layer) else G
            found[name] = G.bfloat16()
    return found


def loss(model: LanguageModel, ids: Tensor, generator: torch.Generator) -> Tensor:
    """Mean loss in nats of predicting ids [B, T]: the next token, or, for a masked model, masked ones."""
    if model.objective == "causal":
        return next_token_loss(model.logits(ids), ids)
    mask_token = model.tokenizer.special_id("mask")
    if mask_token is None:
        raise ModelError("{name} has no mask token, so there is no loss to take gradients of", name=model.name)
    hidden = torch.rand(ids.shape, generator=generator).to(ids.device) < MASKED_SHARE
    hidden[:, 0] |= ~hidden.any(1)
    logits = model.logits(ids.masked_fill(hidden, mask_token))
    return torch.nn.functional.cross_entropy(logits[hidden].float(), ids[hidden])


@contextmanager
def _only(model: LanguageModel, names: list[str]) -> Iterator[None]:
    """While open, gradients are recorded for the weights of `names` and nothing else."""
    before = {parameter: parameter.requires_grad for parameter in model.module.parameters()}
    try:
        for parameter in before:
            parameter.requires_grad_(False)
        for name in names:
            model.module_named(name).get_parameter("weight").requires_grad_(True)
        yield
    finally:
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)
            parameter.grad = None
