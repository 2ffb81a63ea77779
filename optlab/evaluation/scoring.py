"""How well a model foresaw each token of a window: the inner loop of every quality measurement.

A window of T tokens gives N predictions. A causal model predicts tokens 2 to T, each from what stands before it
(N = T - 1); where it wants BOS, that is the first of the T (`optlab.framing`). A masked model (BERT family) predicts
every token from both sides with that one token masked, T forward passes for one window (N = T): Salazar et al., Masked
Language Model Scoring, arXiv 1910.14659, equation 2. Either way a prediction is one hidden state and the model's head
on it; all else here is shared.

The head of 512 positions over 50,000 words is 100 MB of float32, and comparing two models needs several such arrays. So
head and log-softmax run over a few positions at a time. Log-softmax is always float32, whatever the model computes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optlab.divergence import kl_divergence, log_softmax
from optlab.errors import MeasurementError, ModelError, TextError
from optlab.evaluation.metrics import metrics
from optlab.framing import NOTHING, Framing

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

CHUNK_BYTES = 32 << 20
"""Largest float32 block of logits that is held at once (a few positions times the vocabulary)."""
CACHED_BYTES = 2 << 20
"""Largest block that two models are compared on at once by a processor: log-softmax and every measure go over it again
and again, which takes a third of the time where it stays in the cache of a core."""

Floats = NDArray[np.float64]
Window = list[int]
Tick = Callable[[], None]


@dataclass(frozen=True)
class PairScores:
    """Per predicted token: loss of both models (nats), KL(base || candidate) (nats), p_candidate - p_base of the true
    token, whether both put the same token first, and what `optlab.evaluation.metrics` say, by name. Arrays [N]."""

    base: Floats
    candidate: Floats
    divergence: Floats
    probability_change: Floats
    same_top: NDArray[np.bool_]
    metrics: dict[str, Floats] = field(default_factory=dict)


def windows_of(model: LanguageModel, ids: Sequence[int], context: int, framing: Framing) -> list[Window]:
    """`ids` cut into whole windows of `context` tokens; what remains at the end is left out.

    The windows of a causal model are framed. Those of a masked model are the words alone: all of them are predicted,
    [CLS] and [SEP] come around them when they are read.

    Raises TextError when not even one window is full, ModelError when a window is longer than the model reads.
    """
    masked = model.objective == "masked"
    longest = model.description.context_length - (len(framing) if masked else 0)
    if context > longest:
        raise ModelError(
            "{name} reads windows of at most {longest} tokens, not {context}; use a context of {longest} or less",
            name=model.name,
            longest=longest,
            context=context,
        )
    fewest = 2 if masked else unpredicted(framing) + 1
    if context < fewest or len(ids) < context:
        raise TextError(
            "{id_count} tokens do not fill a window of {context}; use more tokens, or a smaller context of at "
            "least {fewest}",
            id_count=len(ids),
            context=context,
            fewest=fewest,
        )
    return (NOTHING if masked else framing).windows(ids, context)


def unpredicted(framing: Framing) -> int:
    """Tokens at the beginning of a causal model's window that are context alone: BOS, or the first of the words."""
    return max(1, len(framing.before))


def batches(model: LanguageModel, windows: list[Window]) -> Iterator[list[Window]]:
    """Windows in groups that fill one forward pass. A full window keeps a processor busy by itself; a graphics card, or
    windows of a few tokens, want several at once. A masked model makes its own batches out of one window."""
    size = 1 if model.objective == "masked" else max(1, _tokens_per_forward(model) // len(windows[0]))
    for start in range(0, len(windows), size):
        yield windows[start : start + size]


@torch.inference_mode()
def predicting_states(
    model: LanguageModel, windows: list[Window], tick: Tick, framing: Framing = NOTHING
) -> list[Tensor]:
    """For each window (as `windows_of` cuts them with this framing) the hidden states [N, D] that its predictions are
    made from.

    tick: called before every forward pass; what it raises ends the work.
    """
    if model.objective == "masked":
        return [_masked_states(model, window, tick, framing) for window in windows]
    tick()
    ids = torch.tensor(windows, dtype=torch.long, device=model.device)
    return list(model.hidden(ids)[:, unpredicted(framing) - 1 : -1].unbind())


def _masked_states(model: LanguageModel, window: Window, tick: Tick, framing: Framing) -> Tensor:
    mask = model.tokenizer.special_id("mask")
    if mask is None:
        raise MeasurementError(
            "the tokenizer of {name} names no mask token, which its pseudo-perplexity needs",
            name=model.name,
        )
    whole = torch.tensor([*framing.before, *window, *framing.after], dtype=torch.long, device=model.device)
    positions = torch.arange(len(window), device=model.device) + len(framing.before)
    states = []
    for some in positions.split(max(1, _tokens_per_forward(model) // len(whole))):
        tick()
        rows = torch.arange(len(some), device=model.device)
        copies = whole.repeat(len(some), 1)
        copies[rows, some] = mask
        states.append(model.hidden(copies)[rows, some])
    return torch.cat(states)


def targets_of(model: LanguageModel, window: Window, framing: Framing = NOTHING) -> Tensor:
    """The tokens [N] that the predictions of a window should have been."""
    predicted = window if model.objective == "masked" else window[unpredicted(framing) :]
    return torch.tensor(predicted, dtype=torch.long, device=model.device)


@torch.inference_mode()
def losses(model: LanguageModel, states: Tensor, targets: Tensor) -> Floats:
    """-log p of each true token (nats, [N]). Raises MeasurementError when the logits are not finite."""
    rows = rows_at_once(model)
    pieces = zip(log_probabilities(model, states, rows), targets.split(rows), strict=True)
    return _array(torch.cat([-log_p.gather(1, true[:, None])[:, 0] for log_p, true in pieces]))


@torch.inference_mode()
def pair_scores(
    base: LanguageModel, candidate: LanguageModel, base_states: Tensor, candidate_states: Tensor, targets: Tensor,
    vocabulary: int | None = None,
) -> PairScores:  # fmt: skip
    """Both models on the same predictions (states [N, D] of each, true tokens [N]).

    vocabulary: only the first so many ids count, where one of the models has more rows of padding; None is all. KL is
    summed in float32 over the whole vocabulary; a sum that rounding pushed below zero is zero. Raises
    MeasurementError when logits are not finite or the vocabularies differ.
    """
    parts: list[list[Tensor]] = [[], [], [], []]
    further: dict[str, list[Tensor]] = {metric.name: [] for metric in metrics()}
    rows = rows_at_once(base)
    both = (log_probabilities(base, base_states, rows, vocabulary),
            log_probabilities(candidate, candidate_states, rows, vocabulary))  # fmt: skip
    for log_p, log_q, true in zip(*both, targets.split(rows), strict=True):
        if log_p.shape != log_q.shape:
            raise MeasurementError(
                "the vocabularies of the two models differ ({shape} and {other} tokens), so their predictions "
                "cannot be compared",
                shape=log_p.shape[1],
                other=log_q.shape[1],
            )
        parts[0].append(-log_p.gather(1, true[:, None])[:, 0])
        parts[1].append(-log_q.gather(1, true[:, None])[:, 0])
        parts[3].append(log_p.argmax(1) == log_q.argmax(1))
        parts[2].append(kl_divergence(log_p, log_q).clamp_min(0.0))
        for metric in metrics():
            further[metric.name].append(metric.of(log_p, log_q, true))
    nll_base, nll_candidate, divergence = (_array(torch.cat(part)) for part in parts[:3])
    return PairScores(
        nll_base,
        nll_candidate,
        divergence,
        np.exp(-nll_candidate) - np.exp(-nll_base),
        torch.cat(parts[3]).cpu().numpy(),
        {name: _array(torch.cat(values)) for name, values in further.items()},
    )


def log_probabilities(
    model: LanguageModel, states: Tensor, rows: int, vocabulary: int | None = None
) -> Iterator[Tensor]:
    """What the head of `model` says at states [N, D], `rows` of them at a time: log-probabilities [rows, V], float32.

    vocabulary: as in `pair_scores`. Raises MeasurementError when the logits are not finite.
    """
    for logits in _logits(model, states, rows, vocabulary):
        log_p = log_softmax(logits)
        if not bool(log_p.amax(1).isfinite().all()):  # a single logit that is no number, or infinite, spoils its row
            raise MeasurementError(
                "the logits of {name} are not finite numbers: these weights, or this number format, broke the model",
                name=model.name,
            )
        yield log_p


def _logits(model: LanguageModel, states: Tensor, rows: int, vocabulary: int | None) -> Iterator[Tensor]:
    """The logits of `rows` states at a time; the head reads its matrix for as many of them as `CHUNK_BYTES` hold."""
    together = rows * max(1, CHUNK_BYTES // (4 * model.description.vocabulary * rows))
    for some in states.split(together):
        yield from model.head(some[None])[0, :, :vocabulary].split(rows)


def rows_at_once(model: LanguageModel) -> int:
    """Predictions that are compared at once, with their whole vocabulary."""
    held = CACHED_BYTES if model.device.type == "cpu" else CHUNK_BYTES
    return max(1, held // (4 * model.description.vocabulary))


def _tokens_per_forward(model: LanguageModel) -> int:
    return 512 if model.device.type == "cpu" else 8192


def _array(values: Tensor) -> Floats:
    return values.double().cpu().numpy()
