"""Apply a recipe to a model: which layers each step treats, what the result stores, and how far each layer moved.

Everything is computed in float32 from the checkpoint's own numbers, whatever precision the evaluation uses, so a recipe
writes the same file either way. The model that a method sees always holds the weights that would be stored.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch

from optlab import paths
from optlab.calibrate.expert_notes import expert_notes
from optlab.calibrate.gradients import Gradients, gradients
from optlab.calibrate.remapped import LayerLineage, RemappedStatistics
from optlab.calibrate.statistics import Statistics, statistics
from optlab.context import Context, Scalings, Stored
from optlab.errors import RecipeError, TextError
from optlab.messages import say
from optlab.methods import method
from optlab.models.checkpoint import Checkpoint, open_checkpoint
from optlab.models.device import trains_in_bfloat16
from optlab.models.families import build
from optlab.models.language_model import LanguageModel
from optlab.models.training_checkpoint import sweep
from optlab.parallel import in_parallel
from optlab.progress import Progress, Rising, silent, span
from optlab.protocol import REPORT_TOKENS, Protocol
from optlab.recipes import Recipe, Step
from optlab.results.measurement import LayerReport
from optlab.results.training import Training
from optlab.texts import calibration_windows, check_apart, names, training_windows

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
TRAINING_TOKENS = 1 << 18
"""Tokens of the calibration text that distillation may see, at most: a short text gives what it has."""
"""Tokens on which the error of each layer's output is measured: few, because a recipe that needs no calibration should
not wait minutes for its report, and always as many, so that methods can be compared."""


OutputEnergy = Callable[[torch.Tensor], torch.Tensor]
"""From a matrix M [out, in] to the mean of |M x|^2 over the inputs x of a layer, a scalar tensor."""


@dataclass
class Origin:
    """How each layer of a compressed model goes back to one of the original, so that the two can be compared."""

    scalings: Scalings = field(default_factory=Scalings)
    lineage: LayerLineage = field(default_factory=LayerLineage)


@dataclass
class Compressed:
    """A compressed model. layers: of every weight matrix of the blocks and of every other that was touched; empty
    before `report_layers`, which needs `origin`. notes: sentences for a person. seconds: how long the recipe took.
    trainings: how each training step went. origin: None where the layers cannot be traced back any more."""

    model: LanguageModel
    stored: dict[str, Stored]
    layers: list[LayerReport]
    recipe: Recipe
    seconds: float
    notes: list[str] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    origin: Origin | None = None


def compress(model: LanguageModel, recipe: Recipe, protocol: Protocol, progress: Progress = silent) -> Compressed:
    """`recipe` applied to a copy of `model`, which itself never changes, and what it did to each layer; the result is
    float32, on its device.

    Raises RecipeError when a step does not fit the model, TextError when it needs a calibration text that cannot be
    had, Cancelled from `progress`.
    """
    steps = len(recipe.steps)
    compressed = apply(model, recipe, protocol, span(progress, 0.0, steps / (steps + 1)))
    report_layers(compressed, model, protocol, span(progress, steps / (steps + 1), 1.0))
    return compressed


def apply(model: LanguageModel, recipe: Recipe, protocol: Protocol, progress: Progress = silent) -> Compressed:
    """`compress` without the report on layers, which reads a calibration text even where the recipe needs none."""
    check(model, recipe)
    began = time.perf_counter()
    checkpoint = open_checkpoint(model.folder)
    teacher = _in_float32(model, checkpoint)
    working = teacher.clone()
    text = calibration_text(model, protocol)
    notes: list[str] = []
    stored: dict[str, Stored] = {}
    scalings = Scalings()
    lineage = LayerLineage()
    trainings: list[Training] = []
    states: list[Path | None] = []
    parts = len(recipe.steps)
    rising = Rising(progress)

    def check_text() -> None:
        if protocol.text is not None:
            check_apart(protocol.text, text)

    tokens = protocol.calibration_tokens
    length = min(protocol.context, tokens, model.description.context_length)
    framing = model.framing(protocol.bos)

    def windows_once() -> list[list[int]]:
        check_text()
        return calibration_windows(text, model.tokenizer, tokens, length, protocol.seed, framing)

    @cache
    def statistics_of(tokens: int) -> Statistics:
        check_text()
        ahead = span(rising, rising.reached, rising.reached + 0.5 / parts)
        return statistics(model, text, tokens, min(length, tokens), protocol.seed, ahead, protocol.bos)

    @cache
    def gradients_once() -> Gradients:
        check_text()
        ahead = span(rising, rising.reached, rising.reached + 0.5 / parts)
        return gradients(teacher, text, tokens, length, protocol.seed, ahead, protocol.bos)

    def training_windows_of(length: int) -> list[list[int]]:
        check_text()
        return training_windows(text, model.tokenizer, TRAINING_TOKENS, length, protocol.seed, framing)

    for number, step in enumerate(recipe.steps):
        step_names = select(working, step)
        if working.structure.tied and working.structure.embedding in step_names:
            notes.append(
                say(
                    "{embedding} is also the head: both changed in {step}",
                    embedding=working.structure.embedding,
                    step=step.describe(),
                )
            )
        context = Context(
            working,
            teacher,
            step_names,
            stored,
            lambda: RemappedStatistics(statistics_of(tokens), lineage),
            training_windows_of,
            protocol.seed,
            span(rising, number / parts, (number + 1) / parts),
            DTYPES[checkpoint.dtype],
            trains_in_bfloat16(working.device),
            windows_once,
            gradients_once,
            scalings,
            lineage,
            _state_folder(model, recipe, number, text, protocol),
            trainings,
        )
        states.append(context.state)
        _check_layers(working, step, step_names)
        with torch.set_grad_enabled(step.kind == "distill"):
            step.instance().apply(context)
    settle_dense(working, teacher, stored, checkpoint)
    if recipe.steps:
        learns = any(step.instance().needs_calibration for step in recipe.steps)
        notes += expert_notes(working, (lambda: RemappedStatistics(statistics_of(tokens), lineage)) if learns else None)
    for state in states:
        if state is not None:
            shutil.rmtree(state, ignore_errors=True)
    took = time.perf_counter() - began
    return Compressed(working, stored, [], recipe, took, notes, trainings, Origin(scalings, lineage))


def report_layers(
    compressed: Compressed, model: LanguageModel, protocol: Protocol, progress: Progress = silent
) -> None:
    """Write into `compressed.layers` the bits, zeros and output error of every layer, against `model`, its original.

    The error is measured on `REPORT_TOKENS` tokens of the calibration text; where there is no such text, a note says
    so. Does nothing when the report is there. Raises Cancelled from `progress`.
    """
    origin = compressed.origin
    if compressed.layers or origin is None:
        return
    checkpoint = open_checkpoint(model.folder)
    teacher = _in_float32(model, checkpoint)
    working, stored = compressed.model, compressed.stored
    linears = working.linear_names()
    every = [name for name in stored if name not in set(linears)] + linears
    found: Statistics | None = None
    if stored or origin.lineage.rows or origin.lineage.columns or origin.lineage.names:
        try:
            found = _statistics_for_report(model, protocol, span(progress, 0.0, 0.9))
        except TextError as error:
            compressed.notes.append(
                say("the error of each layer's output is not known: {reason}", reason=error.message)
            )

    def energy(name: str) -> OutputEnergy | None:
        """tr(M A M^T), A the mean of x x^T over the inputs of layer `name`."""
        key = teacher.structure.multiplied(name)
        if found is None or key is None or key not in found or not found.seen(key):
            return None
        A = found.gram(key).to(teacher.device)
        return lambda M: ((M @ A) * M).sum()

    def of_layer(name: str) -> LayerReport:
        return layer_report(name, working, teacher, stored.get(name), origin, checkpoint, energy)

    layers = []
    with in_parallel(of_layer, every, working.device) as reports:
        for done, name in enumerate(every):
            progress(0.9 + 0.1 * done / len(every), say("comparing {name}", name=name))
            layers.append(next(reports))
    compressed.layers = layers


def _statistics_for_report(model: LanguageModel, protocol: Protocol, progress: Progress) -> Statistics:
    """Raises TextError."""
    text = calibration_text(model, protocol)
    if protocol.text is not None:
        check_apart(protocol.text, text)
    tokens = min(protocol.calibration_tokens, REPORT_TOKENS)
    length = min(protocol.context, tokens, model.description.context_length)
    return statistics(model, text, tokens, length, protocol.seed, progress, protocol.bos)


def _state_folder(model: LanguageModel, recipe: Recipe, number: int, text: str, protocol: Protocol) -> Path:
    """Where the training of step `number` keeps its state: named by everything that the training depends on."""
    about = {
        "version": 1, "model": model.fingerprint, "steps": recipe.to_dict()["steps"][: number + 1], "text": text,
        "tokens": protocol.calibration_tokens, "context": protocol.context, "seed": protocol.seed,
    }  # fmt: skip
    framing = model.framing(protocol.bos)
    about |= {"framing": [framing.before, framing.after]} if framing else {}  # what had none before goes on
    parent = paths.folder("trainings")
    sweep(parent)
    return parent / hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def check(model: LanguageModel, recipe: Recipe) -> None:
    """Whether every step fits the layers it names. Raises RecipeError."""
    for step in recipe.steps:
        _check_layers(model, step, select(model, step))


def _check_layers(model: LanguageModel, step: Step, layers: list[str]) -> None:
    for name in layers:
        rows, columns = model.weight(name).shape
        method(step.kind, step.method).check_layer(step.values, name, (rows, columns))


def select(model: LanguageModel, step: Step) -> list[str]:
    """The layers that a step treats, in order: every linear layer of the blocks, or those its expression names.

    Embedding and head are only touched when an expression names them; where they are one tensor, either name means
    the embedding. Raises RecipeError when nothing matches.
    """
    linears = model.linear_names()
    if step.layers is None:
        return linears
    structure = model.structure
    ends = [name for name, kind in structure.kinds.items() if kind == "embedding"]
    chosen = [name for name in [*ends, *linears] if step.matches(name)]
    if step.matches(structure.head):
        end = structure.embedding if structure.tied else structure.head
        chosen += [end] if end not in chosen else []
    if not chosen and step.kind != "distill":
        raise RecipeError(
            "layers {layers!r} matches no layer; names look like {linears!r}",
            layers=step.layers,
            linears=linears[0],
        )
    return chosen


def calibration_text(model: LanguageModel, protocol: Protocol) -> str:
    """The text that calibrates: the one asked for, else the evaluation text's calibration side, else the model's own.

    A file has no two sides, so a file that is measured on never calibrates unless it is asked for (which is refused).
    """
    if protocol.calibration is not None:
        return protocol.calibration
    named = protocol.text is not None and protocol.text in {card.name for card in names()}
    return str(protocol.text) if named else model.description.default_text


def _in_float32(model: LanguageModel, checkpoint: Checkpoint) -> LanguageModel:
    """The original with all digits of its checkpoint: `model` itself when it has them."""
    if model.dtype == torch.float32:
        return model
    module = build(checkpoint, torch.float32).to(model.device)
    return replace(model, module=module, config=deepcopy(model.config))


def settle_dense(
    working: LanguageModel, teacher: LanguageModel, stored: dict[str, Stored], checkpoint: Checkpoint
) -> None:
    """Give every dense parameter that a step changed the digits it will have on disk."""
    before = dict(teacher.module.named_parameters())
    skipped = {f"{name}.weight" for name in stored}
    default = DTYPES[checkpoint.dtype]
    for name, parameter in working.module.named_parameters():
        same = name in before and before[name].shape == parameter.shape and torch.equal(before[name], parameter)
        if not same and name not in skipped:
            entry = checkpoint.tensors.get(name)
            parameter.data.copy_(parameter.data.to(default if entry is None else DTYPES[entry.dtype]))


def layer_report(
    name: str,
    working: LanguageModel,
    teacher: LanguageModel,
    written: Stored | None,
    origin: Origin,
    checkpoint: Checkpoint,
    energy: Callable[[str], OutputEnergy | None],
) -> LayerReport:
    """Bits, zeros and output error of layer `name` of `working`, `written` so.

    energy: for a layer of the original, what tells the mean of |M x|^2 over its inputs x from a matrix M [out, in];
    None where nothing is known of them.
    """
    W = working.weight(name)
    entry = checkpoint.tensors.get(f"{name}.weight")
    dense_bits = 8.0 * DTYPES[checkpoint.dtype if entry is None else entry.dtype].itemsize
    return LayerReport(
        name=name,
        bits_per_weight=dense_bits if written is None else written.stored_bits() / W.numel(),
        sparsity=1.0 - int(torch.count_nonzero(W)) / W.numel(),
        output_error=_output_error(name, working, teacher, origin, energy),
    )


def _output_error(
    name: str,
    working: LanguageModel,
    teacher: LanguageModel,
    origin: Origin,
    energy: Callable[[str], OutputEnergy | None],
) -> float | None:
    """sqrt(tr(D A D^T) / tr(W A W^T)) with D the change of the weight W and A the mean of x x^T over its inputs: the
    relative root mean square error of the layer's output when its input is the original's. What was cut out counts as
    0."""
    scalings, lineage = origin.scalings, origin.lineage
    original = lineage.original(name)
    if original not in teacher.structure.kinds:
        return None
    W = teacher.weight(original)
    now = lineage.in_place(name, scalings.undo(name, working.weight(name)), W.shape)
    if now is None:
        return None
    D = now - W
    if not bool(D.any()):
        return 0.0
    of = energy(original)
    return None if of is None else float((of(D) / of(W)).clamp(min=0.0).sqrt())
