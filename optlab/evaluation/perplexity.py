"""How surprised a model is by a text, in every convention that people compare, from one pass.

Published perplexities of one model on one text differ by half because tools cut and count differently, so the rule is
fixed here: the text is tokenized as a whole, as text (`<unk>` is five characters), and cut into windows of `context`
tokens that do not overlap. Where the model's tokenizer begins a text with BOS, the first token of every window is
overwritten by it (`optlab.framing`), as `llama-perplexity` does. The losses of the `context - 1` predicted tokens of
every window are averaged (nats per token) and ppl = exp of that. Beside it stand

- **bits per byte**: the same losses in bits, over the bytes of the text that the predicted tokens stand for;
  comparable between tokenizers.
- **llama.cpp's convention** (`llama-perplexity`): only predictions with at least half a window before them, that is
  tokens context // 2 + 2 to context of every window. Usually lower, because more context helps. Windows are
  the same, BOS included, so on a text given as a PATH this is the number that `llama-perplexity` prints.
- **pseudo-perplexity** for masked models (arXiv 1910.14659): each token masked in turn, all tokens counted, [CLS] and
  [SEP] around the window where the tokenizer has them. Not comparable with a causal model's perplexity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.evaluation.paired import Interval, exponential, interval, ratio_interval
from optlab.evaluation.scoring import (
    Floats,
    Window,
    batches,
    losses,
    predicting_states,
    targets_of,
    unpredicted,
    windows_of,
)
from optlab.messages import say
from optlab.progress import Progress, silent
from optlab.texts.passage import Passage

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


def perplexity(
    model: LanguageModel, ids: Sequence[int] | Passage, context: int, progress: Progress = silent
) -> Perplexity:
    """The perplexity of `model` on a passage, or on bare token ids, which are then framed as the model's tokenizer
    says. After every batch of windows `progress` is told the perplexity so far.

    Raises TextError (not one full window), ModelError (window longer than the model reads), MeasurementError (logits
    not finite).
    """
    passage = as_passage(model, ids)
    windows = windows_of(model, passage.ids, context, passage.framing)
    rows: list[Floats] = []
    for batch in batches(model, windows):

        def tick() -> None:
            progress(
                len(rows) / len(windows),
                say("window {row_count} of {window_count}", row_count=len(rows) + 1, window_count=len(windows)),
            )

        for window, states in zip(batch, predicting_states(model, batch, tick, passage.framing), strict=True):
            rows.append(losses(model, states, targets_of(model, window, passage.framing)))
        progress(
            len(rows) / len(windows),
            say(
                "window {row_count} of {window_count}, perplexity {ppl:.3f}",
                row_count=len(rows),
                window_count=len(windows),
                ppl=exponential(float(np.mean(rows))),
            ),
        )
    return summary(model, passage, windows, np.stack(rows))


def as_passage(model: LanguageModel, ids: Sequence[int] | Passage) -> Passage:
    """Bare token ids as a passage with the model's own framing."""
    return ids if isinstance(ids, Passage) else Passage(ids, framing=model.framing())


def summary(model: LanguageModel, passage: Passage, windows: list[Window], nll: Floats) -> Perplexity:
    """The figures of losses `nll` [W, N] (nats) on these W windows, the first ones of `passage`."""
    masked = model.objective == "masked"
    context = len(windows[0])
    mean = float(nll.mean())
    # llama-perplexity reads logits context // 2 to context - 2; logit i predicts token i + 1.
    second = context // 2 + 1 - unpredicted(passage.framing)
    size = sum(predicted_bytes(model, passage, number, window) for number, window in enumerate(windows))
    return Perplexity(
        kind="pseudo-perplexity" if masked else "perplexity",
        ppl=exponential(mean),
        nll=mean,
        ppl_ci95=ratio_interval(interval(nll.mean(axis=1), consecutive=passage.consecutive)),
        bits_per_byte=float(nll.sum()) / math.log(2) / max(size, 1),
        ppl_second_half=exponential(float(nll[:, second:].mean())) if not masked and context > 2 else None,
        tokens=nll.size,
        bytes=size,
        windows=len(windows),
        context=context,
    )


def predicted_bytes(model: LanguageModel, passage: Passage, number: int, window: Window) -> int:
    """UTF-8 bytes of the text that the predicted tokens of window `number` stand for.

    Without the text at hand, of what they decode to: a character that a window's edge cuts in two then counts as a
    replacement mark of three bytes, and what the tokenizer changed counts as changed.
    """
    skipped = 0 if model.objective == "masked" else unpredicted(passage.framing)
    if passage.bytes is not None:
        return sum(passage.bytes[number * len(window) + skipped : (number + 1) * len(window)])
    whole = len(model.tokenizer.decode(window).encode("utf-8", errors="replace"))
    first = model.tokenizer.decode(window[:skipped]) if skipped else ""
    return whole - len(first.encode("utf-8", errors="replace"))
