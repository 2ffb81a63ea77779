"""A run that writes the compressed model of a measurement as a file to take home, with its card and its sha256."""

from __future__ import annotations

from optlab import files
from optlab.jobs import model_cache
from optlab.jobs.kind import GENERATING, JobKind, Log
from optlab.jobs.resolution import digest, title
from optlab.machine.locks import compute_lock
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.document import Nothing
from optlab.results.export import Export, ExportSpec
from optlab.store import artefacts


def execute(spec: ExportSpec, progress: Progress, log: Log) -> Export:
    """The file, from the artefact that was measured. Raises what `exports.package.export` and compression raise."""
    from optlab.exports.formats import format_of
    from optlab.exports.package import export
    from optlab.jobs.compressed_cache import packed

    with compute_lock():
        model = model_cache.model(spec.model, "float32", spec.protocol.device, span(progress, 0.0, 0.1))
        format_of(spec.format).check_model(model, spec.known_recipe)
        compressed, _ = packed(model, spec.known_recipe, spec.protocol, span(progress, 0.1, 0.4))
        place = artefacts.folder(digest("export", *_decides(spec, model.fingerprint))[:32])
        with files.building(place, replace=True) as unfinished:
            made = export(compressed, spec.format, unfinished, spec.figures, span(progress, 0.4, 1.0))
    log(f"{made.file}: {made.size_bytes:,} bytes, sha256 {made.sha256}")
    return made.model_copy(update={"artefact": str(place)})


def _decides(spec: ExportSpec, weights: str) -> list[object]:
    figures = spec.figures.to_dict() if spec.figures else None
    return [artefacts.key(weights, spec.known_recipe, spec.protocol), spec.format, figures]


EXPORT = JobKind(
    name="export", label="file to take home", spec=ExportSpec, partial=Nothing, result=Export, execute=execute,
    decides=_decides,
    title=lambda spec: say(
        "{model}: {format} file, {recipe}", model=title(spec.model), format=spec.format,
        recipe=spec.known_recipe.describe(),
    ),
    priority=GENERATING,
)  # fmt: skip
