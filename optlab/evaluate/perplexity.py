"""How surprised a model is by a text, in every convention that people compare, from one pass.

Published perplexities of one model on one text differ by half because tools cut and count differently, so the rule is
fixed here: the text is tokenized as a whole and cut into windows of `context` tokens that do not overlap; no token is
added; the losses of the `context - 1` predicted tokens of every window are averaged (nats per token) and ppl = exp of
that. Beside it stand

- **bits per byte**: the same losses in bits, over the bytes of the predicted text; comparable between tokenizers.
- **llama.cpp's convention** (`llama-perplexity`): only predictions with at least half a window before them, that is
  tokens context // 2 + 2 to context of every window. Usually lower, because more context helps. Where a
  model asks for a first token (BOS), llama.cpp writes it over the first of every window; here no token is added.
- **pseudo-perplexity** for masked models (arXiv 1910.14659): each token masked in turn, all tokens counted, [CLS] and
  [SEP] around the window where the tokenizer has them. Not comparable with a causal model's perplexity.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.evaluate.paired import Interval, exponential, interval, ratio_interval
from optlab.evaluate.scoring import Floats, Window, batches, losses, predicting_states, targets_of, windows_of
from optlab.progress import Progress, silent

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


@dataclass(frozen=True)
class Perplexity:
    """One model on one text. nll in nats per predicted token.

    kind: "perplexity" or "pseudo-perplexity". ppl_ci95: of this model alone, over windows; two of these must not be
    subtracted (see `paired`). ppl_second_half: llama.cpp's convention, None for a masked model. tokens: predicted
    tokens. bytes: of their text.
    """

    kind: str
    ppl: float
    nll: float
    ppl_ci95: Interval | None
    bits_per_byte: float
    ppl_second_half: float | None
    tokens: int
    bytes: int
    windows: int
    context: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def perplexity(model: LanguageModel, ids: list[int], context: int, progress: Progress = silent) -> Perplexity:
    """The perplexity of `model` on token ids. After every batch of windows `progress` is told the perplexity so far.

    Raises TextError (not one full window), ModelError (window longer than the model reads), MeasurementError (logits
    not finite).
    """
    windows = windows_of(model, ids, context)
    rows: list[Floats] = []
    for batch in batches(model, windows):

        def tick() -> None:
            progress(len(rows) / len(windows), f"window {len(rows) + 1} of {len(windows)}")

        for window, states in zip(batch, predicting_states(model, batch, tick), strict=True):
            rows.append(losses(model, states, targets_of(model, window)))
        known = f"perplexity {exponential(float(np.mean(rows))):.3f}"
        progress(len(rows) / len(windows), f"window {len(rows)} of {len(windows)}, {known}")
    return summary(model, windows, np.stack(rows))


def summary(model: LanguageModel, windows: list[Window], nll: Floats) -> Perplexity:
    """The figures of losses `nll` [W, N] (nats) on these W windows."""
    masked = model.objective == "masked"
    context = len(windows[0])
    mean = float(nll.mean())
    size = sum(predicted_bytes(model, window) for window in windows)
    return Perplexity(
        kind="pseudo-perplexity" if masked else "perplexity",
        ppl=exponential(mean),
        nll=mean,
        ppl_ci95=ratio_interval(interval(nll.mean(axis=1))),
        bits_per_byte=float(nll.sum()) / math.log(2) / max(size, 1),
        # llama-perplexity reads logits context // 2 to context - 2; logit i predicts token i + 1.
        ppl_second_half=None if masked else exponential(float(nll[:, context // 2 :].mean())) if context > 2 else None,
        tokens=nll.size,
        bytes=size,
        windows=len(windows),
        context=context,
    )


def predicted_bytes(model: LanguageModel, window: Window) -> int:
    """UTF-8 bytes of the predicted text of a window: of the whole window decoded, less those of its first token when
    that one is not predicted.

    A character that a window's edge cuts in two decodes to a replacement mark of three bytes; a tokenizer that changes
    its text (lower case, spaces) is counted as it decodes. Both are small beside a window.
    """
    whole = len(model.tokenizer.decode(window).encode("utf-8", errors="replace"))
    if model.objective == "masked":
        return whole
    return whole - len(model.tokenizer.decode(window[:1]).encode("utf-8", errors="replace"))
