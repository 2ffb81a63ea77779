"""What work will ask of this machine, before it is asked for. Torch-free."""

from __future__ import annotations

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.jobs import durations
from optlab.jobs.durations import Work
from optlab.jobs.measure_plan import Expectation, expectation
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.forecast import Forecast

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
    found = expected(client, model, recipe, protocol)
    return found if found is not None and found.seconds > WORTH_SAYING_S else None


def expected(client: Client, model: str, recipe: Recipe, protocol: Protocol) -> Expectation | None:
    """What measuring `recipe` will take, however short; None where it does not fit into this machine, which asking for
    it says, or the model was not prepared yet."""
    description = client.description(model)
    if description is None:
        return None
    settled = client.subject(model, protocol).protocol
    try:
        return expectation(recipe, settled, description, durations.load())
    except OptLabError:
        return None


def forecast(client: Client, model: str, recipe: Recipe, protocol: Protocol) -> Forecast:
    """All that is foretold of measuring `recipe` on a model that was prepared.

    Raises RecipeError, MeasurementError where it does not fit into this machine."""
    description = client.description(model)
    assert description is not None
    recipe.check_fits(description.linears, description.matrices)
    found = expectation(recipe, client.subject(model, protocol).protocol, description, durations.load())
    return Forecast(
        model=model, recipe=recipe, way=found.way, seconds=dict(found.phases),
        memory_bytes=dict(found.footprint.memory), disk_bytes=found.footprint.disk,
    )  # fmt: skip


def seconds_of(kind: str, model: str) -> float | None:
    """Seconds that a run of `kind` on `model` took here before; None where that is not known, or not worth saying."""
    found = durations.load().expected(Work(durations.whole_key(kind, model), "", 1.0))
    return found if found is not None and found > WORTH_SAYING_S else None
