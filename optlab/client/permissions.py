"""May this person have this done? Asked before anything is written; looking is always allowed."""

from __future__ import annotations

from optlab.forecast.choice import footprint
from optlab.jobs.prepare import PREPARE
from optlab.limits import Limits
from optlab.models.describe import Description
from optlab.people import Person
from optlab.results.model import PrepareSpec
from optlab.results.specs import ProtocolSpec, RecipeSpec, Spec
from optlab.store.run import LIVE
from optlab.store.store import Store


def expect_to_start(store: Store, person: Person, limits: Limits, spec: Spec, description: Description | None) -> None:
    """description: of the model that is worked on, None where that is not known yet. Raises NotAllowedError,
    LimitError."""
    person.expect_to_start_work()
    if limits == Limits():
        return
    if isinstance(spec, ProtocolSpec):
        limits.check_tokens(max(spec.protocol.tokens, spec.protocol.calibration_tokens))
    if isinstance(spec, RecipeSpec):
        limits.check_recipe(spec.known_recipe)
        if description is not None:
            limits.check_memory(footprint(spec.known_recipe, spec.protocol, description, "whole").peak)
    if isinstance(spec, PrepareSpec):  # part of what is asked for next
        return
    live = [run for run in store.list(status=LIVE) if run.kind != PREPARE.name]
    limits.check_queue(sum(run.asked_by == person.name for run in live), len(live))


def expect_to_change(store: Store, person: Person, id: int) -> None:
    """Raises NotAllowedError where run `id` is another person's."""
    run = store.get(id)
    person.expect_to_change(run.asked_by if run is not None else person.name)
