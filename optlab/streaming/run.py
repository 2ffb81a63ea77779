"""The pass: embedding, every block, head.

A block is compressed by the very methods that work on a whole model; hidden states go through it in the batches, and in
the precision, in which `optlab.evaluation` and `optlab.calibrate` send them, so the figures are those of a model in
memory. Sides: `calibration` and `report` are the original's states on the calibration text, float32; `fitted` those of
the compressed model, for steps that are sequential; `base` and `candidate` read the evaluation text.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from optlab import files, paths, texts
from optlab.calibrate.statistics import Listener
from optlab.calibrate.walk import in_batches, linears_of
from optlab.compression import DTYPES, Origin, calibration_text, check, layer_report, select, settle_dense
from optlab.context import Context, Stored
from optlab.errors import MeasurementError, RecipeError, TextError
from optlab.evaluation.compare import Quality, paired
from optlab.evaluation.scoring import Tick, Window, batches, unpredicted, windows_of
from optlab.forecast.suitable import why_not
from optlab.kernels import artefact
from optlab.kernels.hub_format import LayerForm, Packing, all_linears, is_plain, layer_form, reason_of_roundings
from optlab.messages import say
from optlab.models.checkpoint import read_header
from optlab.models.inputs import input_formats
from optlab.models.key_values import key_value_formats
from optlab.models.language_model import LanguageModel, cast_parameters
from optlab.models.transformer import Transformer
from optlab.progress import Progress, silent, span
from optlab.protocol import REPORT_TOKENS, Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import LayerReport
from optlab.streaming.blocks import Blockwise
from optlab.streaming.inputs import BlockStatistics, Heard
from optlab.streaming.journal import Journal, keep, sweep, tell
from optlab.streaming.ticks import Ticks
from optlab.texts.passage import Passage

VERSION = 1
"""Raised when a pass that was killed before would go on otherwise than it began."""
EMBEDDING_SHARE, HEAD_SHARE = 0.02, 0.1
"""Of the time, for the progress bar."""
METHODS_SHARE = 0.4
"""Of the time of a block; the rest goes to the batches of states that pass through it."""
FEW = 64
"""States that stand for all where methods watch one forward pass."""


@dataclass(frozen=True)
class Streamed:
    """What a pass found. model: without weights. quality: as `optlab.evaluation.compare` tells it. seconds: of
    compressing and of evaluating, all parts of a pass that was interrupted together."""

    model: LanguageModel
    passage: Passage
    quality: Quality
    layers: list[LayerReport]
    notes: list[str]
    compress_seconds: float
    evaluate_seconds: float


def stream(
    name: str,
    recipe: Recipe,
    protocol: Protocol,
    folder: Path,
    progress: Progress = silent,
    report: bool = True,
) -> Streamed:
    """Compress the model `name`, write its artefact into the empty folder `folder` and measure it beside the original.

    protocol: with text, calibration and dtype decided; it is done on the CPU. report: whether to tell what happened to
    every layer, for which `REPORT_TOKENS` tokens more are read. A pass with the same arguments that was killed goes on
    at its block. Raises RecipeError (the recipe needs the whole model, `forecast.suitable`), ModelError, TextError,
    MeasurementError (no numbers, a full disk), Cancelled from `progress`.
    """
    model = Blockwise(name)
    reason = why_not(recipe, model.whole.description)
    if reason is not None:
        raise RecipeError("the whole model needs to be in memory: {reason}", reason=reason)
    check(model.whole, recipe)
    _check_inside(model.whole, recipe)
    try:
        return _Pass(model, recipe, protocol, report).run(folder, progress)
    except OSError as error:
        raise MeasurementError(
            "the compressed model and its states cannot be written: {why}", why=files.reason(error)
        ) from None


def _check_inside(whole: LanguageModel, recipe: Recipe) -> None:
    for step in recipe.steps:
        for name in select(whole, step):  # a head that is tied is the embedding here
            if whole.structure.block_of(name) is None:
                raise RecipeError(
                    "{step} changes {name}, which lies outside the blocks", step=step.describe(), name=name
                )


class _Pass:
    def __init__(self, model: Blockwise, recipe: Recipe, protocol: Protocol, report: bool) -> None:
        self.model, self.recipe, self.protocol = model, recipe, protocol
        self.steps = [(step, select(model.whole, step)) for step in recipe.steps]
        self.checkpoint = model.source.checkpoint
        self.dtype = torch.bfloat16 if protocol.dtype == "bfloat16" else torch.float32
        whole, framing = model.whole, model.whole.framing(protocol.bos)
        self.passage = texts.evaluation_passage(
            str(protocol.text), whole.tokenizer, protocol.tokens, protocol.context, framing
        )
        self.windows = windows_of(whole, self.passage.ids, protocol.context, framing)
        self.ids: dict[str, list[Tensor]] = {}
        self.notes: list[str] = []
        self._read_calibration(report)
        evaluated = [torch.tensor(some) for some in batches(self.model.hollow(), self.windows)]
        self.ids |= {"base": evaluated, "candidate": evaluated}
        parent = paths.folder("streaming")
        sweep(parent)
        self.journal = Journal(parent / self._key(report))

    def run(self, folder: Path, progress: Progress) -> Streamed:
        count = len(self.model.whole.structure.blocks)
        if self.journal.done == 0:
            progress(0.0, say("reading the embedding"))
            self._begin()
        for number in range(self.journal.done - 1, count):
            share = (1 - EMBEDDING_SHARE - HEAD_SHARE) / count
            begin = EMBEDDING_SHARE + number * share
            message = say("block {number} of {block_count}", number=number + 1, block_count=count)
            through = sum(len(side) for side in self.ids.values())
            self._compress(number, Ticks(span(progress, begin, begin + share), message, METHODS_SHARE, through))
        progress(1 - HEAD_SHARE, say("measuring quality"))
        began = time.perf_counter()
        quality = self._quality(span(progress, 1 - HEAD_SHARE, 1.0))
        told = [self.journal.told(number + 1) for number in range(count)]
        layers = [LayerReport.model_validate(one) for part in told for one in part["layers"]]
        compressing = sum(part["compress"] for part in told)
        evaluating = sum(part["evaluate"] for part in told) + time.perf_counter() - began
        self._write(folder, layers, compressing)
        self.journal.end()
        return Streamed(self.model.whole, self.passage, quality, layers, self.notes, compressing, evaluating)

    def _read_calibration(self, report: bool) -> None:
        model, protocol = self.model.whole, self.protocol
        learns = any(step.instance().needs_calibration for step, _ in self.steps)
        text = calibration_text(model, protocol)
        framing = model.framing(protocol.bos)

        def ids(tokens: int) -> list[Tensor]:
            if protocol.text is not None:
                texts.check_apart(protocol.text, text)
            length = min(protocol.context, protocol.calibration_tokens, model.description.context_length, tokens)
            return in_batches(texts.calibration_windows(text, model.tokenizer, tokens, length, protocol.seed, framing))

        if learns:
            self.ids["calibration"] = ids(protocol.calibration_tokens)
        if any(step.values.get("sequential") for step, _ in self.steps):
            self.ids["fitted"] = self.ids["calibration"]
        if report and self.steps:
            try:
                self.ids["report"] = ids(min(protocol.calibration_tokens, REPORT_TOKENS))
            except TextError as error:
                self.notes.append(say("the error of each layer's output is not known: {reason}", reason=error.message))

    def _key(self, report: bool) -> str:
        about = [
            VERSION, self.model.whole.fingerprint, self.recipe.content_hash, self.protocol.model_dump(mode="json"),
            report, [[batch.tolist() for batch in side] for side in self.ids.values()],
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]

    def _precision(self, side: str) -> torch.dtype:
        return self.dtype if side in ("base", "candidate") else torch.float32

    @torch.no_grad()
    def _begin(self) -> None:
        with self.journal.stage(0) as unfinished:
            for dtype in {self._precision(side) for side in self.ids}:
                self._embed(dtype, unfinished)
            ends = self.model.ends(self.checkpoint_dtype)
            tensors = artefact.packed_tensors(ends, ends.module.named_parameters(), {}, self.checkpoint)
            artefact.write_weights(tensors, unfinished / "weights.safetensors")
            tell(unfinished, {})

    def _embed(self, dtype: torch.dtype, unfinished: Path) -> None:
        """Write the embeddings of all sides that are computed in `dtype`."""
        module = self.model.ends(dtype).module
        assert isinstance(module, Transformer)
        for side in (side for side in self.ids if self._precision(side) == dtype):
            for number, ids in enumerate(self.ids[side]):
                keep(unfinished, side, number, module.embedded(ids))

    @property
    def checkpoint_dtype(self) -> torch.dtype:
        """What most of the checkpoint is stored in."""
        return DTYPES[self.checkpoint.dtype]

    @torch.no_grad()
    def _compress(self, number: int, ticks: Ticks) -> None:
        """Stage `number` + 1."""
        began = time.perf_counter()
        self._ticks = ticks
        block = self.model.block(number)
        prefix = self.model.whole.structure.blocks[number]
        layers = linears_of(block, prefix, self.model.whole.linear_names())
        with self.journal.stage(number + 1) as unfinished:
            statistics = self._advance_calibration(number, block, layers, unfinished)
            few = self._table(number)
            teacher = self.model.around(number, block, few)
            working = self.model.around(number, deepcopy(block), few)
            stored: dict[str, Stored] = {}
            origin = Origin()
            for at, (step, names) in enumerate(self.steps):
                context = Context(
                    working,
                    teacher,
                    [name for name in names if name in layers],
                    stored,
                    lambda: self._known(statistics),
                    lambda length: [],
                    self.protocol.seed,
                    ticks.method(at, len(self.steps)),
                    self.checkpoint_dtype,
                    calibration_windows=self._places,
                    scalings=origin.scalings,
                    lineage=origin.lineage,
                )
                if context.names:
                    step.instance().apply(context)
            settle_dense(working, teacher, stored, self.checkpoint)
            changed = working.module_named(prefix)
            parameters = [(f"{prefix}.{name}", value) for name, value in changed.named_parameters()]
            tensors = artefact.packed_tensors(working, parameters, stored, self.checkpoint)
            artefact.write_weights(tensors, unfinished / "weights.safetensors")
            del tensors
            reports = self._report(number, teacher, working, stored, origin, layers, unfinished)
            halfway = time.perf_counter()
            self._advance(number, "base", block, unfinished)
            self._advance(number, "candidate", changed, unfinished)
            self._advance(number, "fitted", changed, unfinished)
            tell(
                unfinished,
                {
                    "stored": {name: one.meta() for name, one in stored.items()},
                    "inputs": {name: one.meta() for name, one in input_formats(working.module).items()},
                    "key_values": {name: one.meta() for name, one in key_value_formats(working).items()},
                    "layers": [one.to_dict() for one in reports],
                    "compress": halfway - began,
                    "evaluate": time.perf_counter() - halfway,
                },
            )

    def _known(self, statistics: BlockStatistics | None) -> BlockStatistics:
        if statistics is None:
            raise RecipeError("this step was started without a calibration text")
        return statistics

    def _table(self, number: int) -> Tensor:
        """States that block `number` reads, [tokens, width], float32: all of them where a step walks through them."""
        if "fitted" in self.ids:
            every = [self.journal.states("fitted", at).flatten(0, 1) for at in range(len(self.ids["fitted"]))]
            return torch.cat(every)
        side = "calibration" if "calibration" in self.ids else "candidate"
        return self.journal.states(side, 0).flatten(0, 1)[:FEW].float()

    def _places(self) -> list[list[int]]:
        """The calibration windows as places in `_table`."""
        found, next_place = list[list[int]](), 0
        for batch in self.ids["fitted"]:
            for _ in range(len(batch)):
                found.append(list(range(next_place, next_place + batch.shape[1])))
                next_place += batch.shape[1]
        return found

    def _advance_calibration(
        self, number: int, block: nn.Module, layers: dict[str, nn.Module], unfinished: Path
    ) -> BlockStatistics | None:
        if "calibration" not in self.ids:
            return None
        listener = Listener(layers)
        with listener:
            for _ in self._through(number, "calibration", block, unfinished):
                listener.learned()
        widths = {name: self.model.whole.weight(name).shape[1] for name in layers}
        return BlockStatistics(listener, widths, sum(batch.numel() for batch in self.ids["calibration"]))

    def _report(
        self,
        number: int,
        teacher: LanguageModel,
        working: LanguageModel,
        stored: dict[str, Stored],
        origin: Origin,
        layers: dict[str, nn.Module],
        unfinished: Path,
    ) -> list[LayerReport]:
        heard = Heard(layers) if "report" in self.ids else None
        block = teacher.blocks()[number][1]
        with heard or nullcontext():
            for _ in self._through(number, "report", block, unfinished):
                pass
        return [
            layer_report(
                name, working, teacher, stored.get(name), origin, self.checkpoint,
                (lambda name: None) if heard is None else heard.energy,
            )
            for name in layers
        ]  # fmt: skip

    def _advance(self, number: int, side: str, block: nn.Module, unfinished: Path) -> None:
        dtype = self._precision(side)
        if dtype != torch.float32:
            block = deepcopy(block)
            cast_parameters(block, dtype)
        for _ in self._through(number, side, block, unfinished):
            pass

    def _through(self, number: int, side: str, block: nn.Module, unfinished: Path) -> Iterator[None]:
        """Move all batches of a side through `block`, one at a time."""
        for at in range(len(self.ids.get(side, ()))):
            states = self.journal.states(side, at)
            turn, mask = self.model.module.surroundings(states.shape[1], states)[number]
            self._ticks.batch()
            keep(unfinished, side, at, block(states, turn, mask, None))
            yield

    def _quality(self, progress: Progress) -> Quality:
        ends = self.model.ends(self.dtype)
        assert isinstance(ends.module, Transformer)
        norm, first = ends.module.model.norm, unpredicted(self.passage.framing) - 1
        places = iter(range(len(self.windows)))

        @torch.inference_mode()
        def states(batch: list[Window], tick: Tick) -> tuple[list[Tensor], list[Tensor]]:
            tick()
            at = next(places)
            base, candidate = (norm(self.journal.states(side, at))[:, first:-1] for side in ("base", "candidate"))
            return list(base.unbind()), list(candidate.unbind())

        return paired(
            ends, ends, self.passage, self.windows, states, progress, self.protocol.stop_below_percent
        )  # fmt: skip

    def _write(self, folder: Path, layers: list[LayerReport], seconds: float) -> None:
        """The artefact: a shard for every stage, and what is told of all."""
        whole, count = self.model.whole, len(self.model.whole.structure.blocks) + 1
        told = [self.journal.told(number) for number in range(count)]
        merged = {
            part: {name: meta for one in told for name, meta in one.get(part, {}).items()}
            for part in ("stored", "inputs", "key_values")
        }
        forms: dict[str, LayerForm] = {}
        for number, one in enumerate(told):
            if one.get("stored"):
                forms |= self._forms(number, one["stored"])
        form = Packing(reason_of_roundings(merged["inputs"], merged["key_values"]), forms, all_linears(whole.module))
        placed_in: dict[str, str] = {}
        total = 0
        for number in range(count):
            file = self.journal.weights(number)
            target = folder / artefact.shard_name(form.weights_file, number, count)
            files.link(file, target)
            for entry in read_header(target):
                placed_in[entry.name] = target.name
                total += entry.bytes
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed_in.items()))}
        files.write_json(folder / f"{form.weights_file}.index.json", index, indent=2)
        notice = artefact.notice_of(
            whole, self.recipe, form, **merged, seconds=seconds, trainings=[], **artefact.reported(layers, self.notes)
        )
        artefact.write_texts(whole, form, notice, artefact.source_of(whole.folder), folder)

    def _forms(self, number: int, stored: dict[str, files.JsonObject]) -> dict[str, LayerForm]:
        from safetensors.torch import load_file

        tensors, found = load_file(self.journal.weights(number)), {}
        for name, meta in stored.items():
            parts = artefact.parts_of(name, tensors)
            one = artefact.KINDS[meta["kind"]].from_parts(meta, parts)
            if not is_plain(one):
                found[name] = layer_form(name, one, self.model.whole.module_named(name))
        return found
