"""What pages and command line call to have work done, and to find what was done before.

A run is named by everything that decides its result: the weights, the recipe, the text, the protocol, and for a latency
the machine. Whoever asks for the same thing gets the same run, from whichever browser or terminal. Torch-free.

The weights' fingerprint is known once a `prepare` run has read them. Until then a model is identified by its name and
by size and time of change of its files, and `find` looks under both keys, so that a measurement asked for before and
after the preparation is still computed once (`optlab.jobs.subject`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optlab.client import permissions, predictions, records
from optlab.client.records import Row
from optlab.forecast.choice import way_of
from optlab.jobs import history
from optlab.jobs.comparison import COMPARISON
from optlab.jobs.export import EXPORT
from optlab.jobs.generate import GENERATE
from optlab.jobs.history import History
from optlab.jobs.importance import IMPORTANCE
from optlab.jobs.kind import BACKGROUND, JobKind, P, R, S
from optlab.jobs.latency_grid import LATENCY_GRID
from optlab.jobs.layer_inspection import LAYER_INSPECTION
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.prepare import PREPARE
from optlab.jobs.probe import PROBE
from optlab.jobs.registry import model_of
from optlab.jobs.resolution import located
from optlab.jobs.speed_anchors import SPEED_ANCHORS
from optlab.jobs.subject import Subject
from optlab.jobs.sweep import SWEEP
from optlab.jobs.tasks import TASKS
from optlab.jobs.temperature_lab import TEMPERATURE_LAB
from optlab.limits import Limits
from optlab.machine.identity import decoding_dtype
from optlab.models import shipped
from optlab.models.catalog import locate
from optlab.models.describe import Description
from optlab.people import OWNER, Person
from optlab.prediction.recipe_family import RecipeFamily
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.comparison import ComparisonSpec
from optlab.results.document import UnreadableError
from optlab.results.export import ExportSpec, Figures
from optlab.results.generation import GenerateSpec
from optlab.results.measurement import MeasureSpec
from optlab.results.model import ImportanceSpec, PrepareSpec, ProbeSpec, SpeedSpec
from optlab.results.prediction_table import PredictionTable
from optlab.store.run import LIVE, Label, Run, Status, Worker
from optlab.store.store import Moves, Store

if TYPE_CHECKING:
    from optlab.prediction.ledger import Ledger
    from optlab.prediction.predictor import Predictor

LOOKED_BACK = 50
"""So many runs of a kind are looked through for the newest of a model."""
TIMED_UNASKED = 500_000_000
"""Parameters up to which timing a few recipes takes seconds, so that it may begin without being asked for."""


class Client:
    """Submits runs to `store` and finds them again.

    person: for whom. What starts work or changes a run raises NotAllowedError where they may not, LimitError where that
    is more than `limits`. brief: for a moment, like one run of a page, during which a model stays what it was at the
    first look.
    """

    def __init__(self, store: Store, person: Person = OWNER, limits: Limits | None = None, brief: bool = False) -> None:
        self.store, self.person = store, person
        self.limits = Limits.of() if limits is None else limits
        self._seen: dict[str, Description | None] | None = {} if brief else None
        self._subjects: dict[tuple[str, Protocol], Subject] = {}

    def subject(self, model: str, protocol: Protocol | None = None) -> Subject:
        """What a run about `model` is about, with every default decided. Raises ModelError."""
        asked = model, protocol or Protocol()
        if (known := self._subjects.get(asked)) is not None:
            return known
        described = self.description(model)
        found = Subject.of(*asked, described.fingerprint if described else None)
        if self._seen is not None and self.prepared(model):
            self._subjects[asked] = found
        return found

    def submit(self, kind: JobKind[S, P, R], spec: S, subject: Subject) -> Run:
        """Have `spec` done, or the run that does so or did; one that was stopped is queued again."""
        found = self.look_up(kind, spec, subject)
        if found is not None and not found.retryable:
            return found
        permissions.expect_to_start(self.store, self.person, self.limits, spec, self.description(spec.model))
        if kind.priority > BACKGROUND:
            self._make_way()
        key = found.key if found is not None else kind.key(spec, subject.weights[0])
        return self.store.submit(kind.name, spec, key, kind.title(spec), kind.priority, self.person.name)

    def look_up(self, kind: JobKind[S, P, R], spec: S, subject: Subject) -> Run | None:
        """The run that answers exactly this, whatever its status; None when nobody asked for it yet."""
        keys = [kind.key(spec, weights) for weights in subject.weights]
        return self.store.by_key(*keys)

    def submit_prepare(self, model: str) -> Run:
        """Convert or download `model` and list its layers."""
        subject = self.subject(model)
        return self.submit(PREPARE, PrepareSpec(model=subject.model), subject)

    def submit_probe(self, model: str) -> Run:
        """Look at `model` once, so that `predictor` can answer; it can before the run is done, with a wider band."""
        subject = self._prepared(model)
        spec = ProbeSpec(model=subject.model)
        kept = subject.fingerprint is None or predictions.probed(subject.fingerprint)
        # without one what a run found was thrown away, or is damaged
        return self.submit(PROBE, spec, subject) if kept else self._submit_again(PROBE, spec, subject)

    def submit_speed(self, model: str) -> Run:
        """Time a few recipes of `model`, which was probed, on this machine; again if that was done."""
        subject = self._prepared(model)
        return self._submit_again(SPEED_ANCHORS, SpeedSpec(model=subject.model), subject)

    def _submit_again(self, kind: JobKind[S, P, R], spec: S, subject: Subject) -> Run:
        """`submit`, and a run that has done it is forgotten: what it found is wanted anew."""
        self.person.expect_to_start_work()  # before anything is thrown away
        before = self.look_up(kind, spec, subject)
        if before is not None and before.done:
            self.store.delete(before.id)
        return self.submit(kind, spec, subject)

    def time_speed(self, model: str, protocol: Protocol | None = None) -> Run | None:
        """The run that times a few recipes of `model` in the background, begun now if that is worth while: it was
        probed, its speed is not known here (or was timed while something else ran, which is over), and nothing else is
        to do. None where nothing is being timed."""
        subject, described = self.subject(model, protocol), self.description(model)
        if not self.person.starts_work or described is None or described.objective != "causal":
            return None
        if predictions.probe_of(subject) is None:
            return None
        run = self.look_up(SPEED_ANCHORS, SpeedSpec(model=subject.model), subject)
        if run is not None and (run.live or run.status == Status.FAILED):
            return run if run.live else None
        known = predictions.speed_known(subject)
        busy = bool(self.runs(status=LIVE, limit=1))
        if described.parameters > TIMED_UNASKED or busy or (known and not predictions.speed_doubted(subject)):
            return None
        if not known and subject.protocol.decodes_in != decoding_dtype():
            return None  # only the default precision of this machine is timed
        return self.submit_speed(model)

    def submit_measure(self, model: str, recipe: Recipe, protocol: Protocol) -> Run:
        """Measure `recipe` on `model`, or the run that does so or did.

        Raises RecipeError, MeasurementError where it does not fit into this machine (`optlab.forecast.choice`)."""
        subject = self._prepared(model, protocol)
        spec = MeasureSpec(model=subject.model, recipe=recipe, protocol=subject.protocol)
        predictor = predictions.predictor(self.store, subject)
        if self.look_up(MEASURE, spec, subject) is None:
            described = self.description(model)
            if described is not None:
                way_of(recipe, subject.protocol, described)
            if predictor is not None:
                spec = spec.model_copy(update={"predicted": predictor.predict(recipe).document()})
        return self.submit(MEASURE, spec, subject)

    def find(self, model: str, recipe: Recipe, protocol: Protocol) -> Run | None:
        """The run that measures exactly this, whatever its status; None when nobody asked for it yet."""
        return self._find_made(MEASURE, model, recipe, protocol)

    def submit_comparison(self, model: str, other: str, protocol: Protocol) -> Run:
        """Compare the checkpoint `other` with `model`, or the run that does so or did."""
        subject = self._prepared(model, protocol)
        return self.submit(COMPARISON, self._comparison(subject, other), subject)

    def find_comparison(self, model: str, other: str, protocol: Protocol) -> Run | None:
        """The run that compares exactly these, whatever its status; None when nobody asked for it yet."""
        subject = self.subject(model, protocol)
        return self.look_up(COMPARISON, self._comparison(subject, other), subject)

    def submit_generate(
        self, model: str, recipe: Recipe | None, prompt: str, max_tokens: int = 64, temperature: float = 0.0,
        seed: int = 0, protocol: Protocol | None = None, chat: bool = False,
    ) -> Run:  # fmt: skip
        """Continue `prompt` with the original and, when `recipe` has steps, the compressed model.

        chat: answer it instead, through the model's chat template. protocol: that of the measurement beside it, so that
        the same artefact serves both; default settings if None.
        """
        subject = self.subject(model, protocol)
        spec = GenerateSpec(
            model=subject.model, recipe=recipe or Recipe(), protocol=subject.protocol, prompt=prompt,
            max_tokens=max_tokens, temperature=temperature, seed=seed, chat=chat,
        )  # fmt: skip
        return self.submit(GENERATE, spec, subject)

    def submit_layer_inspection(self, model: str, recipe: Recipe, protocol: Protocol, layer: str) -> Run:
        """Look inside one layer of the compressed model (`optlab.jobs.layer_inspection`); nothing is computed twice."""
        return self._submit_made(LAYER_INSPECTION, model, recipe, protocol, layer=layer)

    def find_layer_inspection(self, model: str, recipe: Recipe, protocol: Protocol, layer: str) -> Run | None:
        """The run that looked inside this layer, whatever its status; None when nobody asked for it yet."""
        return self._find_made(LAYER_INSPECTION, model, recipe, protocol, layer=layer)

    def submit_importance(self, model: str, protocol: Protocol) -> Run:
        """Judge every attention head of `model` on the calibration text (`optlab.jobs.importance`)."""
        subject = self.subject(model, protocol)
        return self.submit(IMPORTANCE, ImportanceSpec(model=subject.model, protocol=subject.protocol), subject)

    def find_importance(self, model: str, protocol: Protocol) -> Run | None:
        """The run that judged the heads, whatever its status; None when nobody asked for it yet."""
        subject = self.subject(model, protocol)
        return self.look_up(IMPORTANCE, ImportanceSpec(model=subject.model, protocol=subject.protocol), subject)

    def submit_task(
        self, task: str, model: str, recipe: Recipe, protocol: Protocol, points: float | None = None,
        tokens: int | None = None,
    ) -> Run:  # fmt: skip
        """Ask original and compressed model the questions of a task (`optlab.evaluation.tasks`, by name).

        points: stop once the interval of the difference is narrower than so many hundredths; None: ask all.
        tokens: ask as many questions as the original reads in about so many; None: all.
        """
        return self._submit_made(TASKS, model, recipe, protocol, task=task, points=points, tokens=tokens)

    def find_task(
        self, task: str, model: str, recipe: Recipe, protocol: Protocol, points: float | None = None,
        tokens: int | None = None,
    ) -> Run | None:  # fmt: skip
        """The run that asks them with this recipe, whatever its status; None when nobody asked for it yet."""
        return self._find_made(TASKS, model, recipe, protocol, task=task, points=points, tokens=tokens)

    def submit_latency_grid(
        self, model: str, recipe: Recipe, protocol: Protocol, prompts: Sequence[int] | None = None,
        batches: Sequence[int] | None = None,
    ) -> Run:  # fmt: skip
        """Time original and compressed model at several prompt lengths and batches (`optlab.jobs.latency_grid`).

        prompts (tokens), batches (texts at once): None for those that the pages show.
        """
        asked = {"prompts": prompts, "batches": batches}
        chosen = {name: tuple(sorted(set(values))) for name, values in asked.items() if values}
        return self._submit_made(LATENCY_GRID, model, recipe, protocol, **chosen)

    def find_latency_grid(self, model: str, recipe: Recipe, protocol: Protocol) -> Run | None:
        """The run that timed this recipe so, whatever its status; None when nobody asked for it yet."""
        return self._find_made(LATENCY_GRID, model, recipe, protocol)

    def submit_temperature_lab(self, model: str, recipe: Recipe | None, protocol: Protocol, passage: int) -> Run:
        """Read a passage of the evaluation text with teacher and, unless None, the student of `recipe`."""
        return self._submit_made(TEMPERATURE_LAB, model, recipe or Recipe(), protocol, passage=passage)

    def find_temperature_lab(self, model: str, recipe: Recipe | None, protocol: Protocol, passage: int) -> Run | None:
        """The run that read it, whatever its status; None when nobody asked for it yet."""
        return self._find_made(TEMPERATURE_LAB, model, recipe or Recipe(), protocol, passage=passage)

    def submit_sweep(
        self, model: str, recipe: Recipe, protocol: Protocol, temperatures: Sequence[float], alphas: Sequence[float]
    ) -> Run:
        """Train the student of `recipe` (one distillation step) at every temperature and alpha; one that was stopped
        goes on with the students it lacks."""
        grid = {"temperatures": tuple(sorted(temperatures)), "alphas": tuple(sorted(alphas))}
        return self._submit_made(SWEEP, model, recipe, protocol, **grid)

    def submit_export(self, measured: Run, format: str) -> Run:
        """Write the model of a measurement that is done as a file to take home (`optlab.exports.formats`)."""
        spec, subject = self._export(measured, format)
        return self.submit(EXPORT, spec, subject)

    def find_export(self, measured: Run, format: str) -> Run | None:
        """The run that wrote it, whatever its status; None when nobody asked for it yet."""
        spec, subject = self._export(measured, format)
        return self.look_up(EXPORT, spec, subject)

    def description(self, model: str) -> Description | None:
        """What a model consists of, at once: as its preparation found it, else as OptLab brings it along for a model of
        the catalog; None for any other that is not prepared yet. Raises ModelError."""
        return self._prepared_description(model) or shipped.description(model)

    def prepared(self, model: str) -> bool:
        """Whether the files of `model` are ready and were read here. Raises ModelError."""
        return self._prepared_description(model) is not None

    def _prepared_description(self, model: str) -> Description | None:
        if self._seen is None:
            return self._look_at(model)
        if self._seen.get(model) is None:  # what is not prepared yet may be in a moment
            self._seen[model] = self._look_at(model)
        return self._seen[model]

    def _look_at(self, model: str) -> Description | None:
        locate(model)  # a name that no model can have is told as that, before it is put into a spec
        run = self.store.by_key(PREPARE.key(PrepareSpec(model=located(model)), ""))
        try:
            return PREPARE.result_of(run) if run is not None and run.done else None
        except UnreadableError:
            return None

    def measurements(self, model: str | None = None) -> Sequence[MeasuredRun]:
        """Every finished measurement (of `model`) that can be read, newest first."""
        found = history.measurements(self.store)
        return found if model is None else history.about(found, located(model))

    def history(self) -> History:
        """Every finished measurement, those that cannot be read among them; the same object until there is another."""
        return history.history(self.store)

    def records(self) -> list[Row]:
        """One flat row per finished measurement, newest first; see `optlab.client.records`."""
        return records.rows(self.measurements())

    def predictor(self, model: str, protocol: Protocol | None = None) -> Predictor | None:
        """What predicts recipes of `model` on the text of `protocol`, having learnt from every finished measurement
        there; None until the model was prepared and its probe has found something."""
        return predictions.predictor(self.store, self.subject(model, protocol))

    def prediction_table(
        self, model: str, family: RecipeFamily | Recipe, protocol: Protocol | None = None
    ) -> PredictionTable | None:
        """What is predicted of every recipe of a family (of a recipe: of the family around it), in one piece; None
        where `predictor` is None. Raises ModelError, RecipeError."""
        asked = RecipeFamily.around(family) if isinstance(family, Recipe) else family
        return predictions.prediction_table(self.store, self.subject(model, protocol), asked)

    def ledger(self, model: str | None = None) -> Ledger:
        """Every finished measurement (of `model`) beside the prediction made when it was asked for, newest first."""
        return predictions.ledger(self.store, None if model is None else located(model))

    def run(self, id: int) -> Run | None:
        """The run of that number, as it stands; None when there is none (it may have been deleted)."""
        return self.store.get(id)

    def runs(
        self, kind: str | tuple[str, ...] | None = None, status: str | tuple[str, ...] | None = None,
        limit: int | None = None, model: str | None = None, offset: int = 0,
    ) -> list[Run]:  # fmt: skip
        """Runs, newest first. kind, status: one, or several. model: about this one only, among those that `limit` and
        `offset` (so many of the newest are left out) choose."""
        all_done = isinstance(kind, str) and status == Status.DONE and limit is None and not offset
        found = self.store.finished(str(kind)) if all_done else self.store.list(kind, status, limit, offset)
        if model is None:
            return found
        wanted = located(model)
        return [run for run in found if model_of(run) == wanted]

    def under_way(self, kinds: tuple[str, ...], model: str | None = None) -> list[Run]:
        """Runs of these kinds (about `model`) that wait or work, newest first."""
        return [run for run in self.runs(status=LIVE, model=model) if run.kind in kinds]

    def latest(self, kind: str, model: str) -> Run | None:
        """The newest run of a kind for `model`, whatever its status."""
        model = located(model)
        return next((run for run in self.store.list(kind, limit=LOOKED_BACK) if model_of(run) == model), None)

    def counts(self) -> dict[str, int]:
        """How many runs have each status."""
        return self.store.counts()

    def moves(self) -> Moves:
        """What is another one once a run was added, deleted, or got another status."""
        return self.store.moves()

    def cancel(self, id: int) -> Run:
        """Cancel a queued run at once, ask the worker of a running one to stop. Raises UnknownRunError."""
        permissions.expect_to_change(self.store, self.person, id)
        return self.store.request_cancel(id)

    def cancelling(self, id: int) -> bool:
        """Whether a running run was asked to stop and has not stopped yet."""
        return self.store.cancel_requested(id)

    def retry(self, id: int) -> Run:
        """Queue a failed, cancelled or interrupted run again; any other stays as it is. Raises UnknownRunError."""
        permissions.expect_to_change(self.store, self.person, id)
        return self.store.retry(id)

    def annotate(self, id: int, label: Label) -> Run:
        """Write a name, a note and a star on a run. Raises UnknownRunError."""
        permissions.expect_to_change(self.store, self.person, id)
        return self.store.annotate(id, label)

    def delete(self, id: int) -> None:
        """Forget a run, its log, and its compressed model unless another run uses it.

        Raises OptLabError while the run is running, UnknownRunError when there is none.
        """
        permissions.expect_to_change(self.store, self.person, id)
        self.store.delete(id)

    def logs(self, id: int) -> list[tuple[float, str]]:
        """The lines that a run wrote, oldest first, each with its time (seconds since 1970)."""
        return self.store.logs(id)

    def adopt(self, runs: list[Run]) -> int:
        """Take in finished runs that were made elsewhere, all or none; those whose key is known stay as they are.

        Returns how many are new.
        """
        self.person.expect_to_start_work()
        return self.store.adopt(runs)

    def workers(self) -> list[Worker]:
        """The worker processes and their last signs of life."""
        return self.store.workers()

    def _comparison(self, subject: Subject, other: str) -> ComparisonSpec:
        return ComparisonSpec(model=subject.model, other=located(other), protocol=subject.protocol)

    def _export(self, measured: Run, format: str) -> tuple[ExportSpec, Subject]:
        asked, found = MEASURE.spec_of(measured), MEASURE.result_of(measured)
        subject = self.subject(asked.model, asked.protocol)
        figures = Figures.of(found) if found else None
        return ExportSpec(
            model=subject.model, recipe=asked.recipe, protocol=subject.protocol, format=format, figures=figures
        ), subject

    def _make_way(self) -> None:
        """Stop what runs in the background: somebody asks for something."""
        for run in self.under_way((SPEED_ANCHORS.name,)):
            self.store.request_cancel(run.id)

    def _prepared(self, model: str, protocol: Protocol | None = None) -> Subject:
        """The subject of a run before which the model is made ready, unless it is."""
        subject = self.subject(model, protocol)
        if not self.prepared(model):
            self.submit_prepare(model)
        return subject

    def _submit_made(self, kind: JobKind[S, P, R], model: str, recipe: Recipe, protocol: Protocol, **more: Any) -> Run:
        """Of a kind that is told a recipe and a protocol, and `more`."""
        subject = self.subject(model, protocol)
        return self.submit(kind, self._spec(kind, subject, recipe, more), subject)

    def _find_made(
        self, kind: JobKind[S, P, R], model: str, recipe: Recipe, protocol: Protocol, **more: Any
    ) -> Run | None:
        subject = self.subject(model, protocol)
        return self.look_up(kind, self._spec(kind, subject, recipe, more), subject)

    def _spec(self, kind: JobKind[S, P, R], subject: Subject, recipe: Recipe, more: Mapping[str, Any]) -> S:
        told = {"model": subject.model, "recipe": recipe, "protocol": subject.protocol}
        return kind.spec.model_validate({**told, **more})
