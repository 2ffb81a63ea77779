"""`optlab probe ...`: look at a model once so that its recipes can be predicted; give a probe away, or take one in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from optlab.cli.console import Json, Model, opened, reporter, show

if TYPE_CHECKING:
    from optlab.results.model import Probed


class MadeByDefault(TyperGroup):
    """`optlab probe MODEL` is `optlab probe make MODEL`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names, else `make`."""
        return super().resolve_command(ctx, args if args and args[0] in self.commands else ["make", *args])


app = typer.Typer(
    cls=MadeByDefault, no_args_is_help=True, help="Make the probe of a model, give it away, or take one in."
)


@app.command()
def make(model: Model, as_json: Json = False) -> None:
    """Look at a model once, so that every recipe of it is predicted; `make` may be left out. Takes minutes."""
    from optlab import foreground
    from optlab.jobs.probe import PROBE

    with opened() as client:
        found = PROBE.result_of(foreground.probe(client, model, reporter(as_json)))
    show(found, as_json, _in_words)


@app.command()
def export(
    model: Model, out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")], as_json: Json = False
) -> None:
    """Write the finished probe of a model into one file: sensitivities and measured recipes, no weights."""
    from optlab.client import probes

    with opened() as client:
        header = probes.export(client, model, out)
    told = {"file": str(out), "bytes": out.stat().st_size, "fingerprint": header.fingerprint}
    show(told, as_json, lambda _: f"{out}: the probe of {model}, {len(header.anchors)} measured recipes")


@app.command(name="import")
def take_in(
    file: Annotated[Path, typer.Argument(help="What `optlab probe export` wrote.")], as_json: Json = False
) -> None:
    """Take in the probe of a model from a file; it predicts for exactly the weights that it was made of."""
    from optlab.client import probes

    header = probes.take_in(file)
    told = {"model": header.model, "fingerprint": header.fingerprint, "anchors": len(header.anchors)}
    show(told, as_json, lambda _: f"the probe of {header.model}, {len(header.anchors)} measured recipes, is taken in")


def _in_words(found: Probed) -> str:
    return (
        f"{found.model}: {found.anchors} recipes measured, {len(found.families)} families of methods tabulated, "
        f"{found.timings} recipes timed"
    )
