# ruff: noqa: I001  (imports of another time)
"""How `2026-11-version-1.db` was made: real runs of every kind on nano, by OptLab as it was at commit e33f86f.

    git worktree add /somewhere e33f86f
    cd /somewhere
    OPTLAB_HOME=/an/empty/folder python .../tests/store/stores/make_version_1.py .../2026-11-version-1.db

It only runs there: the rooms have other names now, which is what the file is for. Every figure in it was computed; the
probe is a smaller one than usual (three families, few anchors), and the evaluation texts are short, to take minutes.
Nothing here is imported by a test.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from pathlib import Path

from optlab import paths
from optlab.prediction import anchors, build
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.runs import distilling, heart
from optlab.runs.client import Client
from optlab.runs.executors import TABLE
from optlab.runs.run import Run
from optlab.runs.store import Store
from optlab.runs.worker import WorkerLoop

QUICK = Protocol(tokens=1024, context=256, calibration_tokens=1024, dtype="float32")
FEW_LOG_LINES = 40
PROBED = (0, 1, 4)
"""Families: magnitude pruning, rounding, symmetric rounding (which decoding is timed with)."""


def recipe(*steps: dict[str, object]) -> Recipe:
    return Recipe.from_dict({"steps": list(steps)})


FOUR_BITS = recipe({"quantize": {"bits": 4, "group_size": 64}})
PRUNED = recipe({"prune": {"method": "magnitude", "sparsity": 0.5}})
BOTH = recipe({"prune": {"method": "wanda", "sparsity": 0.3}}, {"quantize": {"method": "gptq", "bits": 3}})
STUDENT = recipe({"distill": {"loss": "forward_kl", "steps": 4, "batch": 2, "window": 32, "student_layers": 4}})


def main(target: Path) -> None:
    every = build.families
    build.families = lambda widths: [one for number, one in enumerate(every(widths)) if number in PROBED]
    anchors.COUNT = 5
    heart.PATIENCE_S = 60.0
    store = Store()
    client = Client(store)
    loop = WorkerLoop(store, "worker-1-4711", TABLE)
    loop.heart.beat()
    loop.heart.start()

    def work() -> None:
        while loop.step():
            pass

    def done(run: Run) -> Run:
        began = time.time()
        work()
        run = store.get(run.id)
        print(f"{run.id} {run.kind} {run.status} {time.time() - began:.1f} s {run.error or ''}", flush=True)
        return run

    done(client.submit_prepare("nano"))
    done(client.submit_probe("nano"))
    for chosen in (FOUR_BITS, PRUNED, BOTH, STUDENT):
        done(client.submit_measure("nano", chosen, QUICK))
    done(client.submit_generate("nano", FOUR_BITS, "To be, or not", 12, 0.0, 0, QUICK))
    done(client.submit_anatomy("nano", FOUR_BITS, QUICK, "model.layers.0.mlp.down_proj"))
    done(client.submit_importance("nano", QUICK))
    done(client.submit_tasks("nano", FOUR_BITS, QUICK))
    done(client.submit_speeds("nano", FOUR_BITS, QUICK))
    done(distilling.submit_soften(client, "nano", STUDENT, QUICK, 0))
    done(distilling.submit_sweep(client, "nano", STUDENT, QUICK, [1.0, 2.0], [0.0, 0.5]))

    done(client.submit_measure("nano", FOUR_BITS, QUICK.model_copy(update={"text": "no-such-text"})))
    cancelled_while_it_runs(store, client, work)
    store.request_cancel(client.submit_measure("nano", PRUNED, QUICK.model_copy(update={"seed": 1})).id)
    client.submit_measure("nano", PRUNED, QUICK.model_copy(update={"seed": 2}))
    lost = store.claim("worker-2-4712")
    store.beat("worker-2-4712", 4712, lost.id, 1 << 28, 99.0)
    store.interrupt(lost.id)
    client.submit_measure("nano", PRUNED, QUICK.model_copy(update={"seed": 3}))
    for run in store.list():
        print(run.id, run.kind, run.status, run.title, run.error or "")
    store.close()
    keep(paths.home() / "optlab.db", target)


def cancelled_while_it_runs(store: Store, client: Client, work: object) -> None:
    long = recipe({"distill": {"loss": "forward_kl", "steps": 2000, "batch": 2, "window": 32}})
    run = client.submit_measure("nano", long, QUICK)

    def cancel() -> None:
        while not (store.get(run.id).partial or store.get(run.id).progress > 0.1):
            time.sleep(0.1)
        store.request_cancel(run.id)

    asking = threading.Thread(target=cancel)
    asking.start()
    work()
    asking.join()


def keep(made: Path, target: Path) -> None:
    """One file without a write-ahead log, its logs shortened."""
    connection = sqlite3.connect(made, isolation_level=None)
    connection.execute("DELETE FROM logs WHERE number > ?", (FEW_LOG_LINES,))
    target.unlink(missing_ok=True)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("VACUUM INTO ?", (str(target),))
    connection.close()
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
