"""What other machines would make of a model, with everything that was timed on this one. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from optlab.client.client import Client
from optlab.errors import ModelError
from optlab.models.catalog import ready_folder
from optlab.models.checkpoint import open_checkpoint
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.estimate import TargetEstimates
from optlab.targets.devices import DEVICES, Device
from optlab.targets.estimate import estimates
from optlab.targets.observed import Timing, timings_of


def of_targets(
    client: Client, description: Description, recipe: Recipe, context: int, devices: Sequence[Device] = DEVICES
) -> TargetEstimates:
    """description: of a model whose files are here. Raises as `optlab.targets.estimate.estimates`."""
    folder = ready_folder(description.model)
    if folder is None:
        raise ModelError("{name} was not prepared yet", name=description.model)
    config = open_checkpoint(folder).config
    return estimates(description, config, recipe, context, timed_here(client), devices)


def timed_here(client: Client) -> list[Timing]:
    """Every timing in the store beside which the bandwidth of the memory was measured."""
    return timings_of((one.headline.latency, one.headline.environment) for one in client.measurements())
