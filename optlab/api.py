"""What `import optlab` offers: the whole way from a model to a file to take home, one function a step.

    import optlab
    optlab.measure("nano", {"quantize": {"bits": 4}})

Each function takes what the command line takes. A recipe is a `Recipe`, a mapping (of `steps`, or one step alone), a
list of steps, or the path of a YAML file. What `measure` and `predict` find is kept in the store of the dashboard, so
nothing is computed twice. Torch is imported when a function needs it, not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from optlab.errors import OptLabError, RecipeError
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe

if TYPE_CHECKING:
    from optlab.client.client import Client
    from optlab.compression import Compressed
    from optlab.evaluation.perplexity import Perplexity
    from optlab.models.language_model import LanguageModel
    from optlab.prediction.frontier import Frontier
    from optlab.prediction.predictor import Prediction, Predictor
    from optlab.results.comparison import Comparison
    from optlab.results.measurement import Measurement

RecipeLike = Recipe | Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | Path | None


def load(model: str, dtype: str = "float32", device: str = "auto", progress: Progress = silent) -> LanguageModel:
    """A model with its tokenizer: `.logits(ids)`, `.weight(name)`, `.tokenizer.encode(text)`.

    model: a catalog name, a folder in hub layout, a .gguf file, or a hub id. Raises ModelError.

    >>> optlab.load("nano").description.blocks
    6
    """
    from optlab.models import load as read

    return read(model, dtype, device, progress)


def compress(
    model: str | LanguageModel, recipe: RecipeLike, progress: Progress = silent, **settings: Any
) -> Compressed:
    """`model` with `recipe` applied; the model that was given stays as it is.

    settings: fields of `Protocol` that say how the model is calibrated (`calibration`, `calibration_tokens`, `context`,
    `seed`). Returns the compressed model in float32, with how each of its weights is stored. Raises RecipeError,
    ModelError, TextError.

    >>> made = optlab.compress("nano", {"quantize": {"bits": 4, "group_size": 64}})
    >>> made.stored["model.layers.0.mlp.up_proj"].bits
    4
    """
    from optlab.compression import compress as apply

    original = (
        load(model, device=settings.get("device", "auto"), progress=progress) if isinstance(model, str) else model
    )
    return apply(original, recipe_of(recipe), protocol_of(settings), progress)


def measure(
    model: str, recipe: RecipeLike = None, again: bool = False, progress: Progress = silent, **settings: Any
) -> Measurement:
    """Perplexity, size and latency of `model` and of what `recipe` makes of it, on the same words, timed in turns.

    settings: fields of `Protocol`, such as `text`, `tokens`, `context`, `latency`. again: measured anew although the
    store has it. Raises RecipeError, ModelError, TextError, MeasurementError.

    >>> found = optlab.measure("nano", {"quantize": {"bits": 4}}, tokens=1024, latency=False)
    >>> found.delta.ppl_ratio_ci95.low < found.delta.ppl_ratio < found.delta.ppl_ratio_ci95.high
    True
    """
    from optlab import foreground
    from optlab.jobs.measure import MEASURE

    with _client() as client:
        run = foreground.measure(client, model, recipe_of(recipe), protocol_of(settings), progress, again)
    found = MEASURE.result_of(run)
    assert found is not None  # the run is done
    return found


def compare(base: str, other: str, again: bool = False, progress: Progress = silent, **settings: Any) -> Comparison:
    """Any two checkpoints of one tokenizer: an original, and a file that another tool made of it (GGUF, GPTQ, AWQ,
    compressed-tensors, bitsandbytes, HQQ, float8), or another fine-tune.

    settings: fields of `Protocol`, such as `text`, `tokens`, `latency`. again: compared anew although the store has it.
    Raises ModelError (a file that is not read, another tokenizer), TextError, MeasurementError.

    >>> found = optlab.compare("nano", "nano", tokens=1024, latency=False)
    >>> found.delta.ppl_ratio, found.delta.top1_agreement
    (1.0, 1.0)
    """
    from optlab import foreground
    from optlab.jobs.comparison import COMPARISON

    with _client() as client:
        run = foreground.compare(client, base, other, protocol_of(settings), progress, again)
    found = COMPARISON.result_of(run)
    assert found is not None  # the run is done
    return found


def evaluate(model: str | LanguageModel | Compressed, progress: Progress = silent, **settings: Any) -> Perplexity:
    """Perplexity of one model alone, with its 95 % interval, bits per byte and llama.cpp's convention.

    model: a name, or what `load` and `compress` return. settings: fields of `Protocol`, such as `text` and `tokens`.
    Raises ModelError, TextError, MeasurementError.

    >>> round(optlab.evaluate("nano", tokens=1024).ppl)
    38
    """
    from optlab.compression import Compressed
    from optlab.evaluation.perplexity import perplexity
    from optlab.jobs.resolution import settled
    from optlab.texts import evaluation_passage

    protocol = protocol_of(settings)
    if isinstance(model, str):
        model = load(model, device=protocol.device, progress=span(progress, 0.0, 0.2))
    asked = model.model if isinstance(model, Compressed) else model
    protocol = settled(asked.name, protocol)
    words = evaluation_passage(
        str(protocol.text), asked.tokenizer, protocol.tokens, protocol.context, asked.framing(protocol.bos)
    )
    return perplexity(asked.to(dtype=protocol.dtype), words, protocol.context, span(progress, 0.2, 1.0))


def predict(model: str, recipe: RecipeLike, text: str | None = None, progress: Progress = silent) -> Prediction:
    """What `recipe` would cost and save, with bands that hold for nine in ten, in milliseconds.

    The model is probed first where nobody has yet, which takes minutes once. text: on which words; default: the
    model's own. Raises RecipeError, ModelError.
    """
    with _client() as client:
        return _predictor(client, model, text, progress).predict(recipe_of(recipe))


def frontier(
    model: str,
    text: str | None = None,
    methods: Sequence[str] | None = None,
    prunings: Sequence[str] = (),
    progress: Progress = silent,
) -> Frontier:
    """The least predicted damage for every size: `.points()`, `.at_most_bytes(n)`, `.at_most_ratio(1.05)`.

    methods: quantization methods to choose from, None = all that were probed. prunings: pruning methods to combine
    them with. Raises ModelError, RecipeError.
    """
    from optlab.prediction.frontier import Frontier

    with _client() as client:
        return Frontier(_predictor(client, model, text, progress), tuple(methods) if methods else None, tuple(prunings))


def export(
    model: str | LanguageModel | Compressed, out: str | Path, recipe: RecipeLike = None, progress: Progress = silent,
    **settings: Any,
) -> Path:  # fmt: skip
    """Write a model for another program: `.gguf` for llama.cpp, `.onnx` for ONNX Runtime and OpenVINO, else a folder
    in hub layout for transformers.

    recipe: applied first, unless `model` is compressed already. Returns the path that was written. Raises ModelError
    where the format cannot express the model, RecipeError, MeasurementError (a full disk).
    """
    from optlab.compression import Compressed
    from optlab.kernels import artefact, gguf_export, onnx_export

    path = Path(out)
    if isinstance(model, Compressed):
        if recipe is not None:
            raise RecipeError("this model is compressed already; give the original, or leave the recipe out")
        made = model
    else:
        made = compress(model, recipe, span(progress, 0.0, 0.9), **settings)
    writers = {".gguf": gguf_export.export, ".onnx": onnx_export.export}
    writers.get(path.suffix, artefact.save)(made, path, span(progress, 0.9, 1.0))
    return path


def recipe_of(recipe: RecipeLike) -> Recipe:
    """Any way to give a recipe as a `Recipe`; None is the original. Raises RecipeError."""
    if recipe is None or isinstance(recipe, Recipe):
        return recipe or Recipe()
    if isinstance(recipe, (str, Path)):
        return Recipe.from_file(recipe)
    if isinstance(recipe, Mapping):
        return Recipe.from_dict(recipe if "steps" in recipe else {"steps": [recipe]})
    return Recipe.from_dict({"steps": list(recipe)})


def protocol_of(settings: Mapping[str, Any]) -> Protocol:
    """Settings as a `Protocol`. Raises OptLabError that names the first one that is wrong."""
    try:
        return Protocol.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        raise OptLabError(
            "{setting} {value!r}: {why}", setting=first["loc"][0], value=first["input"], why=first["msg"].lower()
        ) from None


def _predictor(client: Client, model: str, text: str | None, progress: Progress) -> Predictor:
    from optlab import foreground

    return foreground.predictor(client, model, progress, text)


@contextmanager
def _client() -> Iterator[Client]:
    from optlab.client.client import Client
    from optlab.store.store import Store

    store = Store()
    try:
        yield Client(store)
    finally:
        store.close()
