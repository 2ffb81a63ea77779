"""Asking for what belongs to distillation alone: temperature lab and sweeps. Torch-free, as `optlab.client.client`."""

from __future__ import annotations

from collections.abc import Sequence

from optlab.client.client import Client
from optlab.jobs.resolution import digest, located, settled, text_identity, title, unread_identity
from optlab.messages import say
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.store import artefacts
from optlab.store.run import Run

FORMAT = 1
"""Raised whenever the same question would have another answer than before."""


def submit_temperature_lab(client: Client, model: str, recipe: Recipe | None, protocol: Protocol, passage: int) -> Run:
    """Read a passage of the evaluation text with teacher and, unless None, the student of `recipe`."""
    model, protocol = located(model), settled(model, protocol)
    spec = {
        "model": model, "recipe": None if recipe is None else recipe.to_dict(), "protocol": protocol.model_dump(),
        "passage": passage,
    }  # fmt: skip
    key = digest("temperature_lab", FORMAT, _about(client, model, recipe or Recipe(), protocol), passage)
    return client.store.submit(
        "temperature_lab",
        spec,
        key,
        say("{model}: temperatures on passage {passage}", model=title(model), passage=passage + 1),
    )


def submit_sweep(
    client: Client, model: str, recipe: Recipe, protocol: Protocol, temperatures: Sequence[float],
    alphas: Sequence[float],
) -> Run:  # fmt: skip
    """Train the student of `recipe` (one distillation step) at every temperature and alpha; one that was stopped goes
    on with the students it lacks."""
    model, protocol = located(model), settled(model, protocol)
    spec = {
        "model": model, "recipe": recipe.to_dict(), "protocol": protocol.model_dump(),
        "temperatures": sorted(temperatures), "alphas": sorted(alphas),
    }  # fmt: skip
    about = _about(client, model, recipe, protocol)
    key = digest("sweep", FORMAT, about, spec["temperatures"], spec["alphas"], protocol.tokens)
    run = client.store.submit(
        "sweep", spec, key, say("{model}: {count} students", model=title(model), count=len(temperatures) * len(alphas))
    )
    return client.store.retry(run.id) if run.retryable else run


def _about(client: Client, model: str, recipe: Recipe, protocol: Protocol) -> list[object]:
    description = client.description(model)
    weights = description["fingerprint"] if description else unread_identity(model)
    made = artefacts.key(weights, recipe, protocol)
    return [made, text_identity(protocol.text), protocol.dtype, protocol.device]
