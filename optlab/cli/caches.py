"""`optlab cache`: what is kept to be quick, and how to get the disk back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from optlab import cache
from optlab.cli.console import Json, show

app = typer.Typer(no_args_is_help=True, help="What is kept below OPTLAB_HOME to be quick; all of it can be made again.")

KindNames = Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(cache.KINDS)}; default all.")]


@app.command(name="list")
def list_kept(kinds: KindNames = None, as_json: Json = False) -> None:
    """List what is kept by kind, with its size on the disk."""
    found = cache.kept(tuple(kinds or cache.KINDS))
    show([_row(one) for one in found], as_json, lambda _: _table(found) + _left_alone())


@app.command()
def clean(
    kinds: KindNames = None,
    keep_gb: Annotated[
        float, typer.Option(min=0, help="Keep this many gigabytes: those used last. 0 = throw away all.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Throw away what is kept; runs and their figures stay. Probes take minutes to make again: name the other kinds."""
    from optlab.machine import locks

    chosen, busy = tuple(kinds or cache.KINDS), locks.computing()
    gone = cache.trim(int(keep_gb * cache.GIGABYTE), chosen) if keep_gb else cache.clear(chosen, busy)
    freed = sum(one.bytes for one in gone)
    stays = "; a run computes, so what was used within the last hour stays" if busy else ""
    words = f"{len(gone)} thrown away, {freed / 1e6:.1f} MB freed{stays}"
    show([_row(one) for one in gone], as_json, lambda _: words + _left_alone())


def _left_alone() -> str:
    kinds = cache.linked()
    return (
        f"\n{', '.join(kinds)}: a symbolic link, which is not followed; clear what it leads to yourself"
        if kinds
        else ""
    )


def _row(one: cache.Kept) -> dict[str, str | int | float]:
    return {"kind": one.kind, "path": str(one.path), "bytes": one.bytes, "used": one.used}


def _table(found: Sequence[cache.Kept]) -> str:
    lines = []
    for kind, title in cache.KINDS.items():
        sizes = [one.bytes for one in found if one.kind == kind]
        if sizes:
            lines.append(f"{kind:12} {len(sizes):5}  {sum(sizes) / 1e6:10.1f} MB  {title}")
    total = sum(one.bytes for one in found)
    return "\n".join([*lines, f"{'in all':12} {len(found):5}  {total / 1e6:10.1f} MB"])
