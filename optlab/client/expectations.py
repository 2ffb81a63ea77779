"""What work will ask of this machine, before it is asked for. Torch-free."""

from __future__ import annotations

from optlab.client.client import Client
from optlab.jobs import durations
from optlab.jobs.durations import Work
from optlab.jobs.measure_plan import Expectation, expectation
from optlab.protocol import Protocol
from optlab.recipes import Recipe

WORTH_SAYING_S = 20.0
"""What takes longer says so on its button."""


def of_measurement(client: Client, model: str, recipe: Recipe, protocol: Protocol) -> Expectation | None:
    """What measuring `recipe` will take; None where that is not worth saying: it is short, measured already, or of a
    model that was not prepared yet."""
    description = client.description(model)
    if description is None or not recipe.steps:
        return None
    run = client.find(model, recipe, protocol)
    if run is not None and (run.done or run.live):
        return None
    settled = client.subject(model, protocol).protocol
    found = expectation(recipe, settled, description, durations.load())
    return found if found.seconds > WORTH_SAYING_S else None


def seconds_of(kind: str, model: str) -> float | None:
    """Seconds that a run of `kind` on `model` took here before; None where that is not known, or not worth saying."""
    found = durations.load().expected(Work(durations.whole_key(kind, model), "", 1.0))
    return found if found is not None and found > WORTH_SAYING_S else None
