"""What pages and command line call to have work done, and to find what was done before.

A run is named by everything that decides its result: the weights, the recipe, the text, the protocol, and for a latency
the machine. Whoever asks for the same thing gets the same run, from whichever browser or terminal. Torch-free.

The weights' fingerprint is known once a `prepare` run has read them. Until then a model is identified by its name and
by size and time of change of its files, and `find` looks under both keys, so that a measurement asked for before and
after the preparation is still computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optlab.client import predictions, records
from optlab.jobs.resolution import digest, located, settled, text_identity, title, unread_identity
from optlab.machine.identity import machine_id
from optlab.messages import Joined, say
from optlab.prediction.state import VERSION
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store import artefacts
from optlab.store.run import LIVE, Run, Status, Worker
from optlab.store.store import Store

if TYPE_CHECKING:
    from optlab.prediction.ledger import Ledger
    from optlab.prediction.predictor import Predictor

FORMAT = 1
"""Raised whenever the same run would have another result, or other fields in it, than before."""
LOOKED_BACK = 50
"""So many runs of a kind are looked through for the newest of a model."""


class Client:
    """Submits runs to `store` and finds them again."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def submit_prepare(self, model: str) -> Run:
        """Convert or download `model` and list its layers; the result is `Description.to_dict()`."""
        model = located(model)
        return self.store.submit(
            "prepare", {"model": model}, self._prepare_key(model), say("prepare {model}", model=title(model))
        )

    def submit_probe(self, model: str) -> Run:
        """Look at `model` once, so that `predictor` can answer; it can before the run is done, with a wider band."""
        model = located(model)
        if self.description(model) is None:
            self.submit_prepare(model)
        return self.store.submit(
            "probe", {"model": model}, self._probe_key(model), say("probe {model}", model=title(model))
        )

    def submit_measure(self, model: str, recipe: Recipe, protocol: Protocol) -> Run:
        """Measure `recipe` on `model`, or the run that does so or did."""
        model, protocol = located(model), settled(model, protocol)
        found = self.find(model, recipe, protocol)
        if found is not None and not found.retryable:
            return found
        if found is not None:
            return self.store.retry(found.id)
        if self.description(model) is None:
            self.submit_prepare(model)
        spec = {"model": model, "recipe": recipe.to_dict(), "protocol": protocol.model_dump()}
        predictor = self.predictor(model, protocol)
        if predictor is not None:
            spec["predicted"] = predictor.predict(recipe).to_dict()
        key = self._measure_keys(model, recipe, protocol)[0]
        return self.store.submit("measure", spec, key, Joined(": ", [title(model), recipe.describe()]))

    def submit_generate(
        self, model: str, recipe: Recipe | None, prompt: str, max_tokens: int = 64, temperature: float = 0.0,
        seed: int = 0, protocol: Protocol | None = None, chat: bool = False,
    ) -> Run:  # fmt: skip
        """Continue `prompt` with the original and, when `recipe` has steps, the compressed model.

        chat: answer it instead, through the model's chat template.

        protocol: that of the measurement beside it, so that the same artefact serves both; default settings if None.
        """
        model = located(model)
        recipe, protocol = recipe or Recipe(), settled(model, protocol or Protocol())
        spec = {
            "model": model, "recipe": recipe.to_dict() if recipe.steps else None, "prompt": prompt,
            "max_tokens": max_tokens, "temperature": temperature, "seed": seed, "dtype": protocol.dtype,
            "protocol": protocol.model_dump(), "chat": chat,
        }  # fmt: skip
        weights = self._identities(model)[0]
        made = artefacts.key(weights, recipe, protocol)  # not the rest of the protocol: it does not change the text
        runs_as = (protocol.dtype, protocol.device)
        key = digest("generate", FORMAT, made, runs_as, prompt, max_tokens, temperature, seed, chat)
        return self.store.submit(
            "generate", spec, key, say("{model}: text, {recipe}", model=title(model), recipe=recipe.describe())
        )

    def submit_layer_inspection(self, model: str, recipe: Recipe, protocol: Protocol, layer: str) -> Run:
        """Look inside one layer of the compressed model (`optlab.jobs.layer_inspection`); nothing is computed twice."""
        model = located(model)
        protocol = settled(model, protocol)
        spec = {"model": model, "recipe": recipe.to_dict(), "protocol": protocol.model_dump(), "layer": layer}
        key = self._made_key("layer_inspection", model, recipe, protocol, protocol.device, layer)
        return self.store.submit(
            "layer_inspection",
            spec,
            key,
            say("{model}: inside {layer}, {recipe}", model=title(model), layer=layer, recipe=recipe.describe()),
        )

    def find_layer_inspection(self, model: str, recipe: Recipe, protocol: Protocol, layer: str) -> Run | None:
        """The run that looked inside this layer, whatever its status; None when nobody asked for it yet."""
        model = located(model)
        protocol = settled(model, protocol)
        return self.store.by_key(self._made_key("layer_inspection", model, recipe, protocol, protocol.device, layer))

    def submit_importance(self, model: str, protocol: Protocol) -> Run:
        """Judge every attention head of `model` on the calibration text (`optlab.jobs.importance`)."""
        model = located(model)
        protocol = settled(model, protocol)
        known = self.find_importance(model, protocol)
        key = known.key if known is not None else self._importance_keys(model, protocol)[0]
        spec = {"model": model, "protocol": protocol.model_dump()}
        return self.store.submit("importance", spec, key, say("{model}: heads", model=title(model)))

    def find_importance(self, model: str, protocol: Protocol) -> Run | None:
        """The run that judged the heads, whatever its status; None when nobody asked for it yet."""
        model = located(model)
        keys = self._importance_keys(model, settled(model, protocol))
        return next((run for run in map(self.store.by_key, keys) if run is not None), None)

    def submit_tasks(self, model: str, recipe: Recipe, protocol: Protocol) -> Run:
        """Ask original and compressed model for the topics of articles (`optlab.jobs.tasks`)."""
        return self._submit_made("tasks", say("topics"), model, recipe, protocol)

    def find_tasks(self, model: str, recipe: Recipe, protocol: Protocol) -> Run | None:
        """The run that asked for topics with this recipe, whatever its status; None when nobody asked for it yet."""
        return self._find_made("tasks", model, recipe, protocol)

    def submit_latency_grid(
        self, model: str, recipe: Recipe, protocol: Protocol, prompts: Sequence[int] | None = None,
        batches: Sequence[int] | None = None,
    ) -> Run:  # fmt: skip
        """Time original and compressed model at several prompt lengths and batches (`optlab.jobs.latency_grid`).

        prompts (tokens), batches (texts at once): None for those that the pages show.
        """
        asked = {"prompts": prompts, "batches": batches}
        chosen = {name: sorted(set(values)) for name, values in asked.items() if values}
        decides = (machine_id(), *([digest(chosen)] if chosen else []))
        return self._submit_made("latency_grid", "speeds", model, recipe, protocol, *decides, **chosen)

    def find_latency_grid(self, model: str, recipe: Recipe, protocol: Protocol) -> Run | None:
        """The run that timed this recipe so, whatever its status; None when nobody asked for it yet."""
        return self._find_made("latency_grid", model, recipe, protocol, machine_id())

    def find(self, model: str, recipe: Recipe, protocol: Protocol) -> Run | None:
        """The run that measures exactly this, whatever its status; None when nobody asked for it yet."""
        model = located(model)
        keys = self._measure_keys(model, recipe, settled(model, protocol))
        return next((run for run in map(self.store.by_key, keys) if run is not None), None)

    def description(self, model: str) -> dict[str, Any] | None:
        """`Description.to_dict()` of a prepared model, at once; None when it is not prepared yet."""
        run = self.store.by_key(self._prepare_key(located(model)))
        return run.result if run is not None and run.done else None

    def records(self) -> list[dict[str, Any]]:
        """One flat row per finished measurement, newest first; see `optlab.client.records`."""
        return [records.row(run) for run in self.store.list(kind="measure", status=Status.DONE)]

    def predictor(self, model: str, protocol: Protocol | None = None) -> Predictor | None:
        """What predicts recipes of `model` on the text of `protocol`, having learnt from every finished measurement
        there; None until the model was prepared and its probe has found something."""
        description = self.description(model)
        if description is None:
            return None
        text = settled(located(model), protocol or Protocol()).text
        done = (self.store.url, self.store.counts()[Status.DONE], text)
        return predictions.predictor(description["fingerprint"], done, lambda: self._measured(model, text), text)

    def ledger(self, model: str | None = None) -> Ledger:
        """Every finished measurement (of `model`) beside the prediction made when it was asked for, newest first."""

        def finished() -> list[Run]:
            runs = self.store.list(kind="measure", status=Status.DONE)
            wanted = [run for run in runs if model is None or run.spec["model"] == located(model)]
            return sorted(wanted, key=lambda run: run.finished or 0.0, reverse=True)

        last = [(run.id, run.finished) for run in self.store.list(kind="measure", status=Status.DONE, limit=1)]
        return predictions.record((self.store.url, self.store.counts()[Status.DONE], str(last), model), finished)

    def _measured(self, model: str, text: str | None) -> list[Run]:
        """Finished measurements of the weights that `model` has now, on `text`."""
        model = located(model)
        found = []
        for run in self.store.list(kind="measure", status=Status.DONE):
            if run.spec["model"] == model and run.spec["protocol"].get("text") == text:
                try:
                    recipe, protocol = Recipe.from_dict(run.spec["recipe"]), Protocol(**run.spec["protocol"])
                except ValueError:  # written by a version with other methods or settings
                    continue
                if run.key in self._measure_keys(model, recipe, protocol):
                    found.append(run)
        return found

    def run(self, id: int) -> Run | None:
        """The run of that number, as it stands; None when there is none (it may have been deleted)."""
        return self.store.get(id)

    def runs(
        self, kind: str | None = None, status: str | tuple[str, ...] | None = None, limit: int | None = None,
        model: str | None = None,
    ) -> list[Run]:  # fmt: skip
        """Runs, newest first. kind: of this kind only. status: one, or several. model: about this one only, among the
        newest `limit`."""
        found = self.store.list(kind, status, limit)
        return found if model is None else [run for run in found if run.spec.get("model") == located(model)]

    def under_way(self, kinds: tuple[str, ...], model: str | None = None) -> list[Run]:
        """Runs of these kinds (about `model`) that wait or work, newest first."""
        return [run for run in self.runs(status=LIVE, model=model) if run.kind in kinds]

    def latest(self, kind: str, model: str) -> Run | None:
        """The newest run of a kind for `model`, whatever its status."""
        model = located(model)
        return next((run for run in self.store.list(kind, limit=LOOKED_BACK) if run.spec["model"] == model), None)

    def counts(self) -> dict[str, int]:
        """How many runs have each status."""
        return self.store.counts()

    def cancel(self, id: int) -> Run:
        """Cancel a queued run at once, ask the worker of a running one to stop. Raises UnknownRunError."""
        return self.store.request_cancel(id)

    def cancelling(self, id: int) -> bool:
        """Whether a running run was asked to stop and has not stopped yet."""
        return self.store.cancel_requested(id)

    def retry(self, id: int) -> Run:
        """Queue a failed, cancelled or interrupted run again; any other stays as it is. Raises UnknownRunError."""
        return self.store.retry(id)

    def delete(self, id: int) -> None:
        """Forget a run, its log, and its compressed model unless another run uses it.

        Raises OptLabError while the run is running, UnknownRunError when there is none.
        """
        self.store.delete(id)

    def logs(self, id: int) -> list[tuple[float, str]]:
        """The lines that a run wrote, oldest first, each with its time (seconds since 1970)."""
        return self.store.logs(id)

    def adopt(self, runs: list[Run]) -> int:
        """Take in finished runs that were made elsewhere, all or none; those whose key is known stay as they are.

        Returns how many are new.
        """
        return self.store.adopt(runs)

    def workers(self) -> list[Worker]:
        """The worker processes and their last signs of life."""
        return self.store.workers()

    def _prepare_key(self, model: str) -> str:
        return digest("prepare", FORMAT, unread_identity(model))

    def _probe_key(self, model: str) -> str:
        return digest("probe", VERSION, unread_identity(model), machine_id())

    def _made_key(self, kind: str, model: str, recipe: Recipe, protocol: Protocol, *decides: str) -> str:
        """Of a run on the artefact of a recipe."""
        return digest(kind, FORMAT, artefacts.key(self._identities(model)[0], recipe, protocol), *decides)

    def _submit_made(
        self, kind: str, what: str, model: str, recipe: Recipe, protocol: Protocol, *decides: str, **more: Any
    ) -> Run:
        model = located(model)
        protocol = settled(model, protocol)
        spec = {"model": model, "recipe": recipe.to_dict(), "protocol": protocol.model_dump(), **more}
        key = self._made_key(kind, model, recipe, protocol, protocol.dtype, protocol.device, *decides)
        return self.store.submit(
            kind, spec, key, say("{model}: {what}, {recipe}", model=title(model), what=what, recipe=recipe.describe())
        )

    def _find_made(self, kind: str, model: str, recipe: Recipe, protocol: Protocol, *decides: str) -> Run | None:
        model = located(model)
        protocol = settled(model, protocol)
        made = (model, recipe, protocol, protocol.dtype, protocol.device)
        return self.store.by_key(self._made_key(kind, *made, *decides))

    def _importance_keys(self, model: str, protocol: Protocol) -> list[str]:
        decides = text_identity(protocol.calibration), protocol.context, protocol.seed
        return [digest("importance", FORMAT, identity, decides) for identity in self._identities(model)]

    def _identities(self, model: str) -> list[str]:
        description = self.description(model)
        known = [description["fingerprint"]] if description else []
        return [*known, unread_identity(model)]

    def _measure_keys(self, model: str, recipe: Recipe, protocol: Protocol) -> list[str]:
        settings = protocol.model_dump()
        texts = [text_identity(settings.pop(name)) for name in ("text", "calibration")]
        if settings["bos"] == "auto":
            del settings["bos"]  # as before it could be asked; a model that it changes has another fingerprint
        place = machine_id() if protocol.latency else None
        return [
            digest("measure", FORMAT, artefacts.FORMAT, identity, recipe.content_hash, texts, settings, place)
            for identity in self._identities(model)
        ]
