"""`optlab backup`, `optlab restore`, `optlab check`: what keeps the store of runs for years."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optlab import paths
from optlab.cli.console import Json, show

WHOLE = "the store is whole"
DAMAGED = (
    "the store is damaged; `optlab restore FILE` brings a backup back, `optlab check --rescue` keeps what can be read\n"
)


def backup(
    file: Annotated[Path | None, typer.Argument(help="Where to; default a new file in OPTLAB_HOME/backups.")] = None,
    as_json: Json = False,
) -> None:
    """Copy the store of runs into one file, while the dashboard may be at work. Packed models are not in it."""
    from optlab.store import upkeep

    target = upkeep.backup(paths.store_url(), file)
    show({"backup": str(target), "bytes": target.stat().st_size}, as_json, lambda _: f"wrote {target}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `optlab backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the store of runs; the store that was there is kept beside it."""
    from optlab.store import upkeep

    aside = upkeep.restore(paths.store_url(), file)
    kept = "" if aside is None else f"; the store of before is {aside}"
    show({"restored": str(file), "before": None if aside is None else str(aside)}, as_json,
         lambda _: f"restored {file}{kept}")  # fmt: skip


def check(
    rescue: Annotated[bool, typer.Option("--rescue", help="Keep what can be read of a damaged store.")] = False,
    as_json: Json = False,
) -> None:
    """Look whether the store of runs is whole, every index and page of it; exit code 1 when it is damaged."""
    from optlab.store import upkeep

    url = paths.store_url()
    found = upkeep.faults(url, thorough=True)
    if found and rescue:
        kept = upkeep.rescue(url)
        words = f"{kept.runs} runs and {kept.lines} lines of logs were kept; the damaged store is {kept.aside}"
        show({"runs": kept.runs, "lines": kept.lines, "before": str(kept.aside)}, as_json, lambda _: words)
        return
    show({"whole": not found, "faults": found}, as_json, lambda _: DAMAGED + "\n".join(found) if found else WHOLE)
    if found:
        raise typer.Exit(1)
