"""What the commands share: two arguments, one progress line, the store, one way to print a result."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optlab.progress import Progress, silent
from optlab.store.safe_json import finite

if TYPE_CHECKING:
    from optlab.client.client import Client

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Model = Annotated[str, typer.Argument(help="Catalog name, folder in hub layout, .gguf file, or hub id.")]


@contextmanager
def opened() -> Iterator[Client]:
    """A client of the store that the dashboard uses too; runs whose process was killed are no longer running."""
    from optlab.client.client import Client
    from optlab.store.store import Store
    from optlab.workers.silence import Silence

    store = Store()
    try:
        Silence(store).settle()
        yield Client(store)
    finally:
        store.close()


def reporter(quiet: bool) -> Progress:
    """A progress that keeps one line of standard error up to date; silent where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        return silent
    last = 0.0

    def report(fraction: float, message: str, partial: object = None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.1 or fraction >= 1:
            print(f"\r\033[K{fraction:4.0%}  {message}", end="" if fraction < 1 else "\n", file=sys.stderr, flush=True)
            last = now

    return report


def show(result: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print `result` as JSON (null where a number is not finite), or in words."""
    from optlab.results.document import Part

    plain = result.to_dict() if isinstance(result, Part) else result
    print(json.dumps(finite(plain), indent=2, allow_nan=False) if as_json else text(result))
