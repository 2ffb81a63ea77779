"""What was found of two models on one text, as the document that a measurement is kept as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optlab.jobs.sides import side
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.latency import TimedPair
from optlab.results.measurement import LayerReport, Measurement, Seconds
from optlab.results.training import Training

if TYPE_CHECKING:
    from optlab.evaluation.compare import Quality
    from optlab.models.language_model import LanguageModel
    from optlab.texts.passage import Passage


def answer(
    name: str,
    recipe: Recipe,
    protocol: Protocol,
    base: LanguageModel,
    passage: Passage,
    quality: Quality,
    sizes: dict[str, int],
    seconds: Seconds,
    layers: tuple[LayerReport, ...],
    notes: tuple[str, ...],
    folder: Path,
    trainings: tuple[Training, ...] = (),
    timed: TimedPair | None = None,
    bandwidth: float | None = None,
    memory: dict[str, int] | None = None,
    device: str | None = None,
) -> Measurement:
    """protocol: settled. sizes, memory: bytes of "base" and "candidate"; memory of those that were measured. timed,
    bandwidth: as `sides.timed_in_turns` gives them. device: where it ran, if not where `base` is."""
    from optlab.evaluation import environment
    from optlab.evaluation.latency import speedup

    memory = memory or {}
    speed = speedup(timed)._asdict() if timed else {}
    return Measurement(
        model=name,
        recipe=recipe,
        text=str(protocol.text),
        tokens=quality.windows * protocol.context,
        context=protocol.context,
        calibration=str(protocol.calibration),
        device=device or str(base.device),
        dtype=protocol.dtype,
        seed=protocol.seed,
        versions=environment.versions(),
        baseline=side(quality.base, sizes["base"], timed.base if timed else None, memory.get("base")),
        compressed=side(
            quality.candidate, sizes["candidate"], timed.candidate if timed else None, memory.get("candidate")
        ),
        delta=quality.delta.model_copy(update=speed),
        layers=layers,
        trainings=trainings,
        seconds=seconds,
        details=quality.details,
        metrics=quality.metrics,
        begins_with=tuple(base.tokenizer.token(token) for token in passage.framing.before),
        lookalikes=passage.lookalikes,
        latency=timed,
        environment=environment.record().model_copy(update={"read_bytes_per_s": bandwidth}),
        windows=quality.windows,
        stopped_early=quality.stopped_early,
        checkpoint_note=base.description.checkpoint_note,
        notes=notes,
        artefact=str(folder),
    )
