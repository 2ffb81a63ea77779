"""`optlab runs ...`: what the page Runs shows and does, from a shell; both look into the same store."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from optlab.cli.console import Json, opened, reporter, show
from optlab.errors import OptLabError
from optlab.store import safe_json
from optlab.store.run import Run, Status, UnknownRunError

if TYPE_CHECKING:
    from optlab.client.client import Client

app = typer.Typer(no_args_is_help=True, help="List, look at, cancel, retry and delete runs.")

Number = Annotated[int, typer.Argument(help="Number of the run, as `list` shows it.", min=1)]
Numbers = Annotated[list[int], typer.Argument(help="Numbers of runs, as `list` shows them.", min=1)]
SHOWN_IN_LISTS = ("id", "kind", "status", "title", "progress", "message", "error", "created", "started", "finished",
                  "worker", "attempts")  # fmt: skip


@app.command(name="list")
def list_runs(
    kind: Annotated[str | None, typer.Option(help="Only runs of this kind, such as measure.")] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Only runs of this status; repeat it.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    with opened() as client:
        found = client.runs(kind, tuple(status) if status else None, limit)
    rows = [{name: asdict(run)[name] for name in SHOWN_IN_LISTS} for run in found]
    show(rows, as_json, lambda _: "\n".join(map(_line, found)) if found else "there is no such run")


@app.command(name="show")
def show_run(id: Number, as_json: Json = False) -> None:
    """Everything that is known about one run: what it was told, how far it is, its result."""
    with opened() as client:
        run = _existing(client, id)
    # as they are kept, also of a kind or a version that this OptLab cannot read
    texts = {"spec": run.spec_json, "partial": run.partial_json, "result": run.result_json}
    documents = {name: None if text is None else safe_json.loads(text) for name, text in texts.items()}
    told = {name: value for name, value in asdict(run).items() if name.removesuffix("_json") not in documents}
    show(told | documents, as_json, lambda _: _in_words(run))


@app.command()
def logs(id: Number, as_json: Json = False) -> None:
    """The lines that a run wrote while it worked."""
    with opened() as client:
        _existing(client, id)
        found = client.logs(id)
    rows = [{"time": moment, "line": line} for moment, line in found]
    show(rows, as_json, lambda _: "\n".join(f"{_clock(moment)}  {line}" for moment, line in found))


@app.command()
def cancel(ids: Numbers, as_json: Json = False) -> None:
    """Cancel runs: those that wait at once, those that run as soon as their work looks up."""
    with opened() as client:
        _show_changed([client.cancel(run.id) for run in _all(client, ids)], as_json)


@app.command()
def retry(
    ids: Numbers,
    here: Annotated[bool, typer.Option("--here", help="Do them now, in this process, and wait.")] = False,
    as_json: Json = False,
) -> None:
    """Queue failed, cancelled or interrupted runs again; the workers of an open dashboard take them."""
    with opened() as client:
        found = [client.retry(run.id) for run in _all(client, ids)]
        if here:
            from optlab.foreground import complete

            found = [complete(client, run, reporter(as_json)) for run in found]
        _show_changed(found, as_json)


@app.command()
def delete(ids: Numbers, as_json: Json = False) -> None:
    """Forget runs, their logs, and their compressed models unless another run uses them."""
    with opened() as client:
        found = _all(client, ids)
        running = [str(run.id) for run in found if run.status == Status.RUNNING]
        if running:  # before anything is deleted
            raise OptLabError(f"run {', '.join(running)} is running; cancel it before deleting it")
        for run in found:
            client.delete(run.id)
    show({"deleted": ids}, as_json, lambda _: f"deleted {', '.join(map(str, ids))}")


def _existing(client: Client, id: int) -> Run:
    run = client.run(id)
    if run is None:
        raise UnknownRunError(f"there is no run {id}; `optlab runs list` shows those that there are")
    return run


def _all(client: Client, ids: list[int]) -> list[Run]:
    """The runs of these numbers, once each. Raises UnknownRunError before anything is done to any of them."""
    return [_existing(client, id) for id in dict.fromkeys(ids)]


def _show_changed(runs: list[Run], as_json: bool) -> None:
    show([{"id": run.id, "status": run.status} for run in runs], as_json, lambda _: "\n".join(map(_line, runs)))


def _line(run: Run) -> str:
    done = f"{run.progress:4.0%}" if run.status == Status.RUNNING else "    "
    return f"{run.id:>5}  {run.status:11} {done}  {run.kind:16}  {_clock(run.created)}  {run.title}"


def _in_words(run: Run) -> str:
    rows: list[tuple[str, Any]] = [
        ("status", run.status), ("progress", f"{run.progress:.0%} {run.message}"), ("error", run.error),
        ("created", _clock(run.created)), ("started", _clock(run.started)), ("finished", _clock(run.finished)),
        ("worker", run.worker), ("attempts", run.attempts),
    ]  # fmt: skip
    lines = [f"run {run.id}, {run.kind}: {run.title}"]
    lines += [f"  {name:10}{value}" for name, value in rows if value not in (None, "")]
    return "\n".join([*lines, "  `--json` shows what it was told and its result"])


def _clock(moment: float | None) -> str | None:
    """A time as people read it here."""
    return None if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
