"""Runs that somebody waits for at a terminal or in a notebook: done in this process, unless a worker has them already.

They are the same runs as those that a page submits: found again by their key, claimed, so that no worker takes them
too, kept alive by the same heartbeat, cancelled from a page as well as by Ctrl-C; and if this process is killed, the
next one to look finds its run interrupted. Torch-free; the executors import it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from optlab.client import predictions
from optlab.client.client import Client
from optlab.errors import Cancelled, MeasurementError, ModelError
from optlab.jobs import registry
from optlab.jobs.prepare import PREPARE
from optlab.messages import say
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store.run import Run, Status, UnknownRunError
from optlab.store.store import LOST, Store
from optlab.texts.text import load as load_text
from optlab.workers.execution import execute
from optlab.workers.heartbeat import STOPPED, Heartbeat
from optlab.workers.silence import Silence

if TYPE_CHECKING:
    from optlab.prediction.predictor import Predictor

POLL_S = 0.2
EXIT_INTERRUPTED = 130
"""What a shell expects of a program that was told to stop."""
PREPARED = 0.05


def measure(
    client: Client, model: str, recipe: Recipe, protocol: Protocol, shown: Progress = silent, again: bool = False
) -> Run:
    """The finished measurement of `recipe` on `model`, from the store or made now; again: made now, in place of one
    that is there. Raises what `complete` raises."""
    prepare(client, model, span(shown, 0.0, PREPARED))
    known = client.find(model, recipe, protocol)
    if again and known is not None and known.done:
        client.delete(known.id)
    return complete(client, client.submit_measure(model, recipe, protocol), span(shown, PREPARED, 1.0))


def compare(
    client: Client, base: str, other: str, protocol: Protocol, shown: Progress = silent, again: bool = False
) -> Run:
    """The finished comparison of `other` with `base`, as `measure`. Raises what `complete` raises."""
    prepare(client, base, span(shown, 0.0, PREPARED))
    known = client.find_comparison(base, other, protocol)
    if again and known is not None and known.done:
        client.delete(known.id)
    return complete(client, client.submit_comparison(base, other, protocol), span(shown, PREPARED, 1.0))


def ask(
    client: Client, task: str, model: str, recipe: Recipe, protocol: Protocol, shown: Progress = silent,
    again: bool = False, points: float | None = None, tokens: int | None = None,
) -> Run:  # fmt: skip
    """The finished run of one task (`optlab.evaluation.tasks`), as `measure`. points, tokens: `Client.submit_task`.
    Raises what `complete` raises."""
    prepare(client, model, span(shown, 0.0, PREPARED))
    known = client.find_task(task, model, recipe, protocol, points, tokens)
    if again and known is not None and known.done:
        client.delete(known.id)
    asked = client.submit_task(task, model, recipe, protocol, points, tokens)
    return complete(client, asked, span(shown, PREPARED, 1.0))


def prepare(client: Client, model: str, shown: Progress = silent) -> Run:
    """The preparation of `model`, finished: converted or downloaded, layers listed. Raises what `complete` raises."""
    return complete(client, client.submit_prepare(model), shown)


def predictor(client: Client, model: str, shown: Progress = silent, text: str | None = None) -> Predictor:
    """The predictor of `model` on `text` (None: its own), which is probed first, on its own text, if nobody has yet.

    Raises what `complete` raises, ModelError, TextError when there is no such text.
    """
    if text is not None:
        load_text(text)
    description = PREPARE.result_of(prepare(client, model, span(shown, 0.0, PREPARED)))
    assert description is not None  # the preparation is done
    if not predictions.probed(description.fingerprint):
        complete(client, client.submit_probe(model), span(shown, PREPARED, 1.0))
    elif description.objective == "causal" and not predictions.speed_known(client.subject(model)):
        complete(client, client.submit_speed(model), span(shown, PREPARED, 1.0))
    found = client.predictor(model, Protocol(text=text))
    if found is None:
        probe = predictions.probe_of(client.subject(model))
        raise ModelError(
            "the probe of {model} in {probe} cannot be read; delete that and ask again", model=model, probe=probe
        )
    return found


def probe(client: Client, model: str, shown: Progress = silent) -> Run:
    """The finished probe of `model`. Raises what `complete` raises."""
    prepare(client, model, span(shown, 0.0, PREPARED))
    return complete(client, client.submit_probe(model), span(shown, PREPARED, 1.0))


def complete(client: Client, run: Run, shown: Progress = silent, kinds: registry.Kinds = registry.KINDS) -> Run:
    """`run` once it is done: at once if it is, by doing it here if nobody has begun, else by watching who has. Who asks
    again after a process was killed wants its run gone on with: what is found silent meanwhile is done here, once.

    Raises what the work raised; MeasurementError when it failed elsewhere; Cancelled when somebody cancelled it;
    UnknownRunError when it was deleted; KeyboardInterrupt on Ctrl-C, after which a run that was done here is cancelled
    and one that a worker has goes on.
    """
    store, suspicion, looked, taken_over = client.store, Silence(client.store), 0.0, False
    while not run.done:
        if run.status == Status.QUEUED:
            claimed = store.claim(_name(), run.id)
            if claimed is not None:  # else a worker was quicker
                _here(store, claimed, shown, kinds)
        elif run.status == Status.CANCELLED:
            raise Cancelled("run {id} was cancelled", id=run.id)
        elif (run.status, run.message) == (Status.INTERRUPTED, LOST) and not taken_over:
            taken_over = True
            client.retry(run.id)
        elif run.retryable:
            raise MeasurementError(run.error or run.message)
        else:
            shown(run.progress, say("run {id} of {worker}: {said}", id=run.id, worker=run.worker, said=run.message))
            if time.monotonic() - looked > 1.0:
                looked = time.monotonic()
                suspicion.settle()
            time.sleep(POLL_S)
        run = _existing(store, run.id)
    return run


def _here(store: Store, run: Run, shown: Progress, kinds: registry.Kinds) -> None:
    """Do a claimed run; whatever happens, it does not stay running."""
    heartbeat = Heartbeat(store, _name(), cancelled_code=EXIT_INTERRUPTED)
    heartbeat.beat()
    heartbeat.start()
    try:
        outcome = execute(store, run, heartbeat, kinds, shown)
    except KeyboardInterrupt:
        store.request_cancel(run.id)  # leaving it, below, then makes it cancelled and not interrupted
        raise
    finally:
        heartbeat.stop()
        store.dismiss(heartbeat.worker, STOPPED)
    if outcome.error is not None:
        raise outcome.error


def _name() -> str:
    return f"command-{os.getpid()}"


def _existing(store: Store, id: int) -> Run:
    run = store.get(id)
    if run is None:
        raise UnknownRunError("run {id} was deleted", id=id)
    return run
