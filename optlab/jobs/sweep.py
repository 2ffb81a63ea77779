"""Temperatures times alphas in one run: students that differ in nothing else, judged on the same held-out words.

Every student is compared with the one that learned from the text alone, window by window, and so is every student with
the best: "the best temperature" is a claim, and the interval of the difference says whether it is more than noise. What
a student scored is kept, so that a sweep that was stopped goes on with the next one.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from optlab import paths, sealed
from optlab.evaluation.paired import interval
from optlab.jobs import model_cache
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.resolution import digest, text_identity, title
from optlab.messages import Counted, say
from optlab.progress import Progress, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results import sweep as results
from optlab.results.sweep import Student, SweepSpec
from optlab.results.training import TrainingSoFar
from optlab.store import artefacts

if TYPE_CHECKING:
    from optlab.evaluation.scoring import Window
    from optlab.models.language_model import LanguageModel


def execute(spec: SweepSpec, progress: Progress, log: Log) -> results.Sweep:
    """A student for each temperature and alpha below 1, and the control. Raises whatever distillation and evaluation
    raise."""
    from optlab import texts
    from optlab.evaluation.scoring import windows_of

    protocol = spec.protocol
    model = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, 0.02))
    texts.check_apart(str(protocol.text), str(protocol.calibration))
    framing = model.framing(protocol.bos)
    passage = texts.evaluation_passage(str(protocol.text), model.tokenizer, protocol.tokens, protocol.context, framing)
    windows = windows_of(model, passage.ids, protocol.context, framing)
    step = spec.known_recipe.steps[0]
    asked = [(t, a) for a in sorted(spec.alphas) for t in sorted(spec.temperatures) if a < 1.0]
    scores: dict[tuple[float, float] | None, list[float]] = {}
    for number, cell in enumerate([None, *asked]):
        begin, end = (0.02 + 0.98 * n / (len(asked) + 1) for n in (number, number + 1))
        temperature, alpha = (2.0, 1.0) if cell is None else cell
        recipe = Recipe.of(Step("distill", step.method, {**step.values, "temperature": temperature, "alpha": alpha}))
        began = time.perf_counter()
        so_far = result(scores, passage.consecutive) if scores else results.Sweep()

        def known(
            fraction: float, message: str, partial: object = None, *, before: results.Sweep = so_far,
            which: tuple[float, float] = (temperature, alpha),
        ) -> None:  # fmt: skip
            training = partial if isinstance(partial, TrainingSoFar) else None
            told = say(
                "T {temperature:g}, alpha {alpha:g}: {message}", temperature=which[0], alpha=which[1], message=message
            )
            progress(fraction, told, before.model_copy(update={"training": training}))

        scores[cell] = _score(model, recipe, protocol, windows, span(known, begin, end))
        log(f"{recipe.describe()}: {np.mean(scores[cell]):.4f} nats, {time.perf_counter() - began:.1f} s")
    progress(1.0, say("done"))
    read = {"tokens": len(windows) * protocol.context, "text": protocol.text}
    return result(scores, passage.consecutive).model_copy(update=read)


def result(scores: dict[tuple[float, float] | None, list[float]], consecutive: bool = False) -> results.Sweep:
    """From the mean loss of every window, by (temperature, alpha); None is the control."""
    control = np.asarray(scores[None])
    means = {cell: float(np.mean(found)) for cell, found in scores.items() if cell is not None}
    best = min(means, key=means.__getitem__) if means else None
    cells = []
    for cell, mean in means.items():
        found = np.asarray(scores[cell])
        to_best = interval(found - np.asarray(scores[best]), consecutive=consecutive)
        cells.append(
            Student(
                temperature=cell[0], alpha=cell[1], nll=mean, delta=float((found - control).mean()),
                ci95=interval(found - control, consecutive=consecutive),
                as_good=cell == best or (to_best is not None and to_best[0] <= 0.0),
            )
        )  # fmt: skip
    return results.Sweep(cells=tuple(cells), control=float(control.mean()), windows=len(control), best=best)


SWEEP = JobKind(
    name="sweep", label="sweep", spec=SweepSpec, partial=results.Sweep, result=results.Sweep, execute=execute,
    decides=lambda spec, weights: [
        [artefacts.key(weights, spec.known_recipe, spec.protocol), text_identity(spec.protocol.text),
         spec.protocol.dtype, spec.protocol.device],
        spec.temperatures, spec.alphas, spec.protocol.tokens,
    ],
    title=lambda spec: Counted(
        "{model}: {count} student", "{model}: {count} students", model=title(spec.model),
        count=len(spec.temperatures) * len(spec.alphas)
    ),
)  # fmt: skip


def _score(
    model: LanguageModel, recipe: Recipe, protocol: Protocol, windows: list[Window], progress: Progress
) -> list[float]:
    """Mean loss of each window (nats per token), from the notes of an earlier attempt or by training the student."""
    from optlab.compression import apply
    from optlab.evaluation.scoring import losses, predicting_states, targets_of

    made = artefacts.key(model.fingerprint, recipe, protocol)
    kept = paths.folder("sweeps") / f"{digest(made, protocol.text, protocol.tokens, protocol.dtype)[:32]}.json"
    found: list[float] | None = sealed.read_json(kept)
    if found is not None and len(found) == len(windows):
        return found
    framing = model.framing(protocol.bos)
    student = apply(model, recipe, protocol, span(progress, 0.0, 0.95)).model.to(dtype=protocol.dtype)
    found = []
    for number, window in enumerate(windows):
        progress(
            0.95 + 0.05 * number / len(windows),
            say("window {number} of {window_count}", number=number + 1, window_count=len(windows)),
        )
        (states,) = predicting_states(student, [window], lambda: None, framing)
        found.append(float(losses(student, states, targets_of(student, window, framing)).mean()))
    _keep(kept, found)
    return found


def _keep(place: Path, found: list[float]) -> None:
    with suppress(OSError):  # a full disk costs the chance to go on later, not the sweep
        sealed.write_json(place, found)
