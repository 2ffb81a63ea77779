"""The command that asks about machines one does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optlab.cli.console import Json, Model, opened, reporter, show
from optlab.errors import OptLabError

CONTEXT = 4096


def targets(
    model: Model,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML); none asks about the original.")] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Tokens whose keys and values are kept. Default: 4096, or all it reads.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="A device of the list; repeat it. Default: all of them.")
    ] = None,
    target_memory: Annotated[float | None, typer.Option(help="Memory of your own device, in 10^9 bytes.")] = None,
    target_bandwidth: Annotated[
        float | None, typer.Option(help="Its memory bandwidth, in 10^9 bytes a second.")
    ] = None,
    target_compute: Annotated[
        float | None, typer.Option(help="Its 16-bit arithmetic, in 10^12 operations a second.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether MODEL with a recipe fits other devices, and about how fast it would decode there: estimated."""
    from optlab import foreground
    from optlab.client.summary import targets_in_words
    from optlab.client.targets import of_targets
    from optlab.recipes import Recipe
    from optlab.targets.devices import DEVICES, device, own

    if (target_memory is None) != (target_bandwidth is None):
        raise OptLabError("a device of your own has both --target-memory and --target-bandwidth")
    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    asked = [device(name) for name in target or []]
    if target_memory is not None and target_bandwidth is not None:
        asked.append(own(target_memory, target_bandwidth, target_compute))
    with opened() as client:
        foreground.prepare(client, model, reporter(as_json))
        description = client.description(model)
        assert description is not None
        chosen.check_fits(description.linears, description.matrices)
        length = min(CONTEXT, description.context_length) if context is None else context
        found = of_targets(client, description, chosen, length, asked or DEVICES)
    show(found, as_json, targets_in_words)
