"""Two models on the same words, one pass, with the figures appearing while it runs.

The original and the compressed model read each window one after the other, and everything is paired token by token:
the difference of their losses with its interval over windows, the divergence of their predictions, how often their
first choice agrees. After every batch of windows `progress` gets the figures so far, and the pass may end early once
the interval of the perplexity ratio is narrow enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from optlab.evaluation.divergence import details
from optlab.evaluation.paired import Interval, exponential, interval, narrow_enough, ratio_interval
from optlab.evaluation.perplexity import Perplexity, as_passage, summary
from optlab.evaluation.scoring import (
    Floats,
    PairScores,
    Tick,
    Window,
    batches,
    pair_scores,
    predicting_states,
    targets_of,
    windows_of,
)
from optlab.evaluation.states import BASE_STATES, StateCache, identity, key_of
from optlab.framing import Framing
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.results.divergence import Details
from optlab.results.measurement import Delta, MetricResult, QualitySoFar
from optlab.texts.passage import Passage

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


@dataclass(frozen=True)
class Quality:
    """What a compression did to the predictions. Losses and divergences in nats per token.

    nll_delta: mean of candidate minus base; its interval and that of ppl_ratio = exp(nll_delta) are paired, clustered
    by window, None when only one window was read. kl_*: KL(base || candidate). top1_agreement: 0 to 1. stopped_early:
    fewer windows were read than there are, because the interval was narrow enough. details: see `divergence.details`.
    metrics: see `optlab.evaluation.metrics`.
    """

    base: Perplexity
    candidate: Perplexity
    nll_delta: float
    nll_ci95: Interval | None
    ppl_ratio: float
    ppl_ratio_ci95: Interval | None
    kl_mean: float
    kl_median: float
    kl_p99: float
    kl_max: float
    top1_agreement: float
    windows: int
    stopped_early: bool
    details: Details
    metrics: tuple[MetricResult, ...] = ()

    @property
    def delta(self) -> Delta:
        """The differences, as a measurement holds them; nothing is timed here."""
        return Delta(
            nll=self.nll_delta,
            nll_ci95=self.nll_ci95,
            ppl_ratio=self.ppl_ratio,
            ppl_ratio_ci95=self.ppl_ratio_ci95,
            kl_mean=self.kl_mean,
            kl_median=self.kl_median,
            kl_p99=self.kl_p99,
            kl_max=self.kl_max,
            top1_agreement=self.top1_agreement,
        )


def compare(
    base: LanguageModel,
    candidate: LanguageModel,
    ids: Sequence[int] | Passage,
    context: int,
    progress: Progress = silent,
    stop_below_percent: float | None = None,
    cache: StateCache | None = BASE_STATES,
    vocabulary: int | None = None,
) -> Quality:
    """Measure `candidate` against `base` on a passage, or bare token ids, in windows of `context` tokens (see
    `perplexity`).

    stop_below_percent: end once the 95 % interval of the perplexity ratio is narrower than this, in percent of the
    ratio; None reads everything. cache: where the hidden states of `base` are kept for the next candidate; None keeps
    nothing. vocabulary: see `pair_scores`. Raises TextError (not one full window), ModelError (window longer than a
    model reads), MeasurementError (logits not finite).
    """
    passage = as_passage(base, ids)
    framing = passage.framing
    windows = windows_of(base, passage.ids, context, framing)
    windows_of(candidate, passage.ids, context, framing)
    owner = identity(base) if cache is not None else ""

    def states(batch: list[Window], tick: Tick) -> tuple[list[Tensor], list[Tensor]]:
        of_base = _remembered(base, batch, tick, cache, owner, framing)
        return of_base, predicting_states(candidate, batch, tick, framing)

    return paired(base, candidate, passage, windows, states, progress, stop_below_percent, vocabulary)


def paired(
    base: LanguageModel,
    candidate: LanguageModel,
    passage: Passage,
    windows: list[Window],
    states: Callable[[list[Window], Tick], tuple[list[Tensor], list[Tensor]]],
    progress: Progress = silent,
    stop_below_percent: float | None = None,
    vocabulary: int | None = None,
) -> Quality:
    """`compare`, of models that need no more than a head: the hidden states come from elsewhere.

    windows: those of `passage`, as `windows_of` cuts them. states: of a batch of windows, in order, what the
    predictions of `base` and of `candidate` are made from, [N, D] for each window.
    """
    rows: list[PairScores] = []
    gaps: list[float] = []
    for batch in batches(base, windows):

        def tick() -> None:
            progress(
                len(rows) / len(windows),
                say("window {row_count} of {window_count}", row_count=len(rows) + 1, window_count=len(windows)),
            )

        for window, first, second in zip(batch, *states(batch, tick), strict=True):
            row = pair_scores(base, candidate, first, second, targets_of(base, window, passage.framing), vocabulary)
            rows.append(row)
            gaps.append(float((row.candidate - row.base).mean()))
        gap = interval(gaps, consecutive=passage.consecutive)
        progress(
            len(rows) / len(windows),
            say("window {row_count} of {window_count}", row_count=len(rows), window_count=len(windows)),
            _so_far(rows, gap, len(windows)),
        )
        if narrow_enough(gap, len(rows), stop_below_percent):
            break
    return _quality(base, candidate, passage, windows, rows, interval(gaps, consecutive=passage.consecutive))


def _remembered(
    model: LanguageModel, batch: list[Window], tick: Tick, cache: StateCache | None, owner: str, framing: Framing
) -> list[Tensor]:
    if cache is None:
        return predicting_states(model, batch, tick, framing)
    keys = [key_of(f"{owner} {framing}", window) for window in batch]
    found = [cache.get(key) for key in keys]
    missing = [window for window, states in zip(batch, found, strict=True) if states is None]
    made = iter(predicting_states(model, missing, tick, framing) if missing else [])
    complete = []
    for key, states in zip(keys, found, strict=True):
        if states is None:
            states = next(made)
            cache.put(key, states)
        complete.append(states)
    return complete


def _so_far(rows: list[PairScores], gap: Interval | None, total: int) -> QualitySoFar:
    nll_base = float(np.mean([row.base.mean() for row in rows]))
    nll_candidate = float(np.mean([row.candidate.mean() for row in rows]))
    return QualitySoFar(
        windows_done=len(rows),
        windows=total,
        ppl_base=exponential(nll_base),
        ppl_candidate=exponential(nll_candidate),
        nll_delta=nll_candidate - nll_base,
        nll_ci95=gap,
        ppl_ratio=exponential(nll_candidate - nll_base),
        ppl_ratio_ci95=ratio_interval(gap),
        kl_mean=float(np.mean([row.divergence.mean() for row in rows])),
        top1_agreement=float(np.mean([row.same_top.mean() for row in rows])),
    )


def _quality(
    base: LanguageModel,
    candidate: LanguageModel,
    passage: Passage,
    windows: list[Window],
    rows: list[PairScores],
    gap: Interval | None,
) -> Quality:
    read = windows[: len(rows)]
    losses_base: Floats = np.stack([row.base for row in rows])
    losses_candidate: Floats = np.stack([row.candidate for row in rows])
    divergence: Floats = np.concatenate([row.divergence for row in rows])
    same_top = np.concatenate([row.same_top for row in rows])
    nll_delta = float((losses_candidate - losses_base).mean())
    return Quality(
        base=summary(base, passage, read, losses_base),
        candidate=summary(candidate, passage, read, losses_candidate),
        nll_delta=nll_delta,
        nll_ci95=gap,
        ppl_ratio=exponential(nll_delta),
        ppl_ratio_ci95=ratio_interval(gap),
        kl_mean=float(divergence.mean()),
        kl_median=float(np.median(divergence)),
        kl_p99=float(np.quantile(divergence, 0.99)),
        kl_max=float(divergence.max()),
        top1_agreement=float(same_top.mean()),
        windows=len(read),
        stopped_early=len(read) < len(windows),
        details=details(
            losses_base.reshape(-1),
            losses_candidate.reshape(-1),
            divergence,
            np.concatenate([row.probability_change for row in rows]),
            same_top,
        ),
        metrics=tuple(_metric(name, rows, passage) for name in rows[0].metrics),
    )


def _metric(name: str, rows: list[PairScores], passage: Passage) -> MetricResult:
    by_window = [float(row.metrics[name].mean()) for row in rows]
    ends = interval(by_window, consecutive=passage.consecutive)
    return MetricResult(name=name, mean=float(np.mean(by_window)), ci95=ends)
