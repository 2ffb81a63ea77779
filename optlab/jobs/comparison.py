"""A run that compares two checkpoints: an original, and a file that any tool made of it, or another fine-tune.

Nothing is compressed here. Both models are read as they are, so what differs is all that the other tool did.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from optlab import paths
from optlab.errors import ModelError
from optlab.jobs import model_cache
from optlab.jobs.kind import JobKind, Log
from optlab.jobs.resolution import deciding, settled, text_identity, title, unread_identity
from optlab.jobs.sides import compared, side, timed_in_turns
from optlab.machine.identity import machine_id
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.protocol import Protocol
from optlab.results.comparison import ComparedLayer, Comparison, ComparisonSpec
from optlab.results.measurement import MeasurementSoFar, Seconds

if TYPE_CHECKING:
    from optlab.compression import Compressed
    from optlab.models.language_model import LanguageModel
    from optlab.texts.passage import Passage


TOKENS_FOR_OUTPUTS = 4096


def execute(spec: ComparisonSpec, progress: Progress, log: Log) -> Comparison:
    """Raises ModelError (a file that is not read, another tokenizer), TextError, MeasurementError, Cancelled."""
    from optlab import texts
    from optlab.evaluation import environment
    from optlab.evaluation.latency import speedup
    from optlab.evaluation.scoring import windows_of
    from optlab.models.vocabulary import common_vocabulary

    protocol = settled(spec.model, spec.protocol)
    with compute_lock():
        began = time.perf_counter()
        base = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, 0.1))
        other = _other(spec.other, protocol, span(progress, 0.1, 0.3))
        seconds = {"compress": time.perf_counter() - began}
        common = common_vocabulary(base, other.model)
        _check_context(base, other.model, protocol.context)
        framing = base.framing(protocol.bos)
        passage = texts.evaluation_passage(
            str(protocol.text), base.tokenizer, protocol.tokens, protocol.context, framing
        )
        _check_ids(base, other.model, passage, common)

        progress(0.3, say("comparing the weights"))
        words = windows_of(base, passage.ids, protocol.context, framing)
        layers, unmatched = _layers(spec, base, other, words, span(progress, 0.3, 0.4))
        sizes = {"base": _file_bytes(spec.model, base), "candidate": _file_bytes(spec.other, other.model)}
        so_far = MeasurementSoFar(size_base=sizes["base"], size_candidate=sizes["candidate"])

        quality, _, seconds["evaluate"] = compared(
            base, other.model, passage, protocol, so_far, span(progress, 0.4, 0.85), log, common
        )

    began = time.perf_counter()
    timed, bandwidth = timed_in_turns(base, other, framing.over(passage.ids), protocol, span(progress, 0.85, 0.95))
    seconds["latency"] = time.perf_counter() - began
    with compute_lock():
        memory = _memory(spec, base, other, protocol, span(progress, 0.95, 1.0)) if timed else {}
    progress(1.0, say("done"))
    return Comparison(
        model=spec.model,
        other=spec.other,
        text=str(protocol.text),
        tokens=quality.windows * protocol.context,
        context=protocol.context,
        device=str(base.device),
        dtype=protocol.dtype,
        vocabulary=common,
        versions=environment.versions(),
        baseline=side(quality.base, sizes["base"], timed.base if timed else None, memory.get("base")),
        compressed=side(
            quality.candidate, sizes["candidate"], timed.candidate if timed else None, memory.get("candidate")
        ),
        delta=quality.delta if timed is None else quality.delta.model_copy(update=speedup(timed)._asdict()),
        metrics=quality.metrics,
        layers=layers,
        unmatched=unmatched,
        seconds=Seconds(**seconds),
        details=quality.details,
        latency=timed,
        environment=environment.record().model_copy(update={"read_bytes_per_s": bandwidth}),
        windows=quality.windows,
        stopped_early=quality.stopped_early,
        begins_with=tuple(base.tokenizer.token(token) for token in framing.before),
        lookalikes=passage.lookalikes,
        notes=tuple(_notes(spec, protocol, base, other.model, common)),
    )


def _other(name: str, protocol: Protocol, progress: Progress) -> Compressed:
    """The model `name`, with the codes that the packed kernels can take as they are."""
    from optlab.compression import Compressed
    from optlab.kernels.artefact import is_artefact, load_artefact
    from optlab.models.as_stored import packed_codes
    from optlab.models.catalog import locate
    from optlab.recipes import Recipe

    place = locate(name)
    if place is not None and place.is_dir() and is_artefact(place):
        return load_artefact(place, "float32", protocol.device)
    model = model_cache.model(name, "float32", protocol.device, progress)
    stored = packed_codes(_source(name, model)) if protocol.latency else {}
    linears = set(model.structure.linears)
    return Compressed(model, {layer: codes for layer, codes in stored.items() if layer in linears}, [], Recipe(), 0.0)


def _check_context(base: LanguageModel, other: LanguageModel, context: int) -> None:
    shorter = min((base, other), key=lambda model: model.description.context_length)
    limit = shorter.description.context_length
    if context > limit:
        raise ModelError(
            "{name} reads at most {limit} tokens at once; use a context of {limit} or less",
            name=shorter.name,
            limit=limit,
        )


def _check_ids(base: LanguageModel, other: LanguageModel, passage: Passage, common: int) -> None:
    """Raises ModelError when the other tokenizer reads the words of the passage differently."""
    words = base.tokenizer.decode(passage.ids[:2048])
    if max(passage.ids) >= common or base.tokenizer.encode(words) != other.tokenizer.encode(words):
        raise ModelError(
            "{other} cuts this text into other tokens than {base}, so their predictions cannot be compared",
            other=other.name,
            base=base.name,
        )


def _layers(
    spec: ComparisonSpec, base: LanguageModel, other: Compressed, words: list[list[int]], progress: Progress
) -> tuple[tuple[ComparedLayer, ...], int]:
    """Every weight matrix of the blocks that both models have in the same shape, and how many have no counterpart.

    words: the windows that are compared, of which the first `TOKENS_FOR_OUTPUTS` tokens tell the error of outputs.
    """
    from optlab.evaluation.output_errors import output_errors
    from optlab.models.as_stored import bits_per_weight

    names, others = base.linear_names(), set(other.model.linear_names())
    both = [n for n in names if n in others and base.weight(n).shape == other.model.weight(n).shape]
    sizes = {name: base.weight(name).numel() for name in both}
    bits_base = bits_per_weight(_source(spec.model, base), sizes)
    known = {layer.name: layer.bits_per_weight for layer in other.layers}  # of an artefact of ours
    bits_other = known or bits_per_weight(_source(spec.other, other.model), sizes)
    some = words[: max(1, TOKENS_FOR_OUTPUTS // len(words[0]))]
    outputs = output_errors(base, other.model, both, some, progress)
    found = []
    for name in both:
        W = base.weight(name).float()
        change = (other.model.weight(name).float() - W).norm() / W.norm().clamp_min(1e-30)
        found.append(
            ComparedLayer(
                name=name,
                bits_base=bits_base.get(name),
                bits_other=bits_other.get(name),
                weight_error=float(change),
                output_error=outputs.get(name),
            )
        )
    return tuple(found), len(names) + len(others) - 2 * len(both)


def _source(name: str, model: LanguageModel) -> Path:
    """The files that stand for a model: those that came; of one of the catalog the floats that OptLab compresses."""
    from optlab.models.catalog import card, source_of

    return model.folder if card(name) else source_of(name)


def _file_bytes(name: str, model: LanguageModel) -> int:
    from optlab.models.as_stored import weight_files

    return sum(file.stat().st_size for file in weight_files(_source(name, model)))


def _memory(
    spec: ComparisonSpec, base: LanguageModel, other: Compressed, protocol: Protocol, progress: Progress
) -> dict[str, int]:
    """Peak bytes of processes that do nothing but answer, as they were timed: codes packed where kernels take them."""
    import tempfile

    import torch

    from optlab.evaluation.memory import peak_memory
    from optlab.jobs.baseline import peak_memory_of_original
    from optlab.kernels.artefact import is_artefact, save

    threads = torch.get_num_threads()  # as many as this run was given
    first, second = span(progress, 0.0, 0.5), span(progress, 0.5, 1.0)
    found = {"base": peak_memory_of_original(base, protocol.decodes_in, protocol.device, first, threads)}
    if not other.stored:
        found["candidate"] = peak_memory_of_original(other.model, protocol.decodes_in, protocol.device, second, threads)
        return found
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=paths.folder("artefacts")) as scratch:
        folder = _source(spec.other, other.model)
        if not is_artefact(folder):
            folder = Path(scratch) / "packed"
            save(other, folder, second)
        found["candidate"] = peak_memory(folder, protocol.decodes_in, protocol.device, second, threads=threads)
    return found


def _notes(
    spec: ComparisonSpec, protocol: Protocol, base: LanguageModel, other: LanguageModel, common: int
) -> list[str]:
    notes: list[str] = []
    for name, model in ((spec.model, base), (spec.other, other)):
        if model.description.checkpoint_note:
            note = model.description.checkpoint_note
            notes.append(say("{model}: {note}", model=title(name), note=note))
    if base.description.vocabulary != other.description.vocabulary:
        notes.append(
            say(
                "The embeddings have {base} and {other} rows; compared are the {common} ids that both have.",
                base=base.description.vocabulary,
                other=other.description.vocabulary,
                common=common,
            )
        )
    if base.framing(protocol.bos) != other.framing(protocol.bos):
        notes.append(
            say(
                "The tokenizer of {other} wants other tokens around a text; both models read it as {base} wants it.",
                other=title(spec.other),
                base=title(spec.model),
            )
        )
    return notes


def _decides(spec: ComparisonSpec, weights: str) -> list[object]:
    """The other file is known by name, sizes and times; a perplexity belongs to no machine, a latency does."""
    settings = deciding(spec.protocol, "text", "calibration", "calibration_tokens")  # nothing is calibrated
    text = text_identity(spec.protocol.text)
    place = machine_id() if spec.protocol.latency else None
    return [weights, unread_identity(spec.other), text, settings, place]


COMPARISON = JobKind(
    name="comparison", label="comparison", spec=ComparisonSpec, partial=MeasurementSoFar, result=Comparison,
    execute=execute, decides=_decides,
    title=lambda spec: say("{other} against {model}", other=title(spec.other), model=title(spec.model)), version=2,
)  # fmt: skip
