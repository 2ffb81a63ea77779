"""Workers that train a student are killed at moments drawn by chance; the training goes on from its last state, and
what it ends with is what nobody disturbed, to the last bit.

`OPTLAB_CHAOS=100` kills twenty (`make chaos` does).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from optlab import cache
from optlab.jobs.measure import MEASURE
from optlab.jobs.resolution import settled
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.measurement import MeasureSpec
from optlab.store.run import Run
from optlab.store.store import Store
from optlab.workers.supervisor import Supervisor
from tests.chaos.answers import answer
from tests.chaos.size import size
from tests.chaos.test_measurements import ended
from tests.compressing import calibration_file
from tests.tiny import tiny_model_folder

KILLS = size(1, 20)
TRAINED = {"student_layers": 1, "steps": 120, "batch": 4, "window": 32}
RECIPE = Recipe.of(Step("distill", "forward_kl", TRAINED), Step("quantize", "rtn", {"bits": 4, "group_size": 16}))


def test_a_killed_training_goes_on_and_ends_as_if_nobody_had_killed_it(
    file_store: Store, home: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    model, words, text = (
        str(tiny_model_folder("llama", tmp_path / "llama")),
        calibration_file(tmp_path),
        tmp_path / "text",
    )
    text.write_text(Path(words).read_text().upper())
    read = {"calibration_tokens": 512, "context": 32, "tokens": 256}
    protocol = Protocol(text=str(text), calibration=words, dtype="float32", latency=False, **read)
    spec = MeasureSpec(model=model, recipe=RECIPE, protocol=settled(model, protocol))

    def submitted(name: str) -> Run:
        return file_store.submit(MEASURE.name, spec, name, name)

    supervisor = Supervisor(file_store, 1, "tests.chaos.saving_often:KINDS").start()
    chance, killed, resumed, lost = random.Random(22), 0, 0, []
    try:
        run = ended(file_store, submitted("undisturbed"))
        truth, seconds = answer(run), run.elapsed() or 0.0
        assert truth is not None, run.error
        for number in range(KILLS):
            file_store.delete(run.id)
            cache.clear(("artefacts",))
            run = submitted(f"chaos-{number}")
            run = ended(file_store, run, lambda now: now.worker is not None or not now.live)
            time.sleep(chance.uniform(0.0, seconds))
            with suppress(ProcessLookupError):
                os.kill(int(str(run.worker).rsplit("-", 1)[-1]), signal.SIGKILL)
                killed += 1
            resumed += any((home / "trainings").glob("*/state.safetensors"))
            run = ended(file_store, run)
            if answer(run) != truth:
                lost.append(f"{run.title}: {run.status} {run.message} {run.error} after {run.attempts} attempts")
    finally:
        supervisor.stop()
    record_property("kills", killed)
    record_property("trainings resumed", resumed)
    record_property("runs lost", len(lost))
    assert lost == []
    assert killed == KILLS
