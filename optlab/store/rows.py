"""The arrows of a run's life as conditional updates: each changes a row only if it still has the status it starts from.

`optlab.store.store` calls these inside its transactions; nothing else writes to the table of runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from optlab.messages import decoded, encoded, say
from optlab.store import safe_json
from optlab.store.run import RETRYABLE, Label, Run, Status, UnknownRunError
from optlab.store.schema import logs_table, runs_table

MOST_ATTEMPTS = 3
"""So often a run is begun whose worker dies every time, unless a person retries it."""
LONGEST_NAME, LONGEST_NOTE = 80, 2_000
"""Characters of what people write on a run."""

R, L = runs_table.c, logs_table.c
DONE, CANCELLED = encoded(say("done")), encoded(say("cancelled"))


def move(connection: Connection, id: int, source: Status, owner: str | None = None, **values: Any) -> bool:
    """Set `values` if the run has status `source` (and belongs to worker `owner`, when given); whether it did."""
    update = runs_table.update().where(R.id == id, R.status == source)
    if owner is not None:
        update = update.where(R.worker == owner)
    return connection.execute(update.values(**values)).rowcount == 1


def end(connection: Connection, id: int, owner: str | None, **values: Any) -> bool:
    """Move a running run to a status in which nobody works on it; whether it was running."""
    return move(
        connection, id, Status.RUNNING, owner, finished=time.time(), cancel_asked=None, seconds_left=None, **values
    )


def interrupt(connection: Connection, id: int, reason: str, owner: str | None = None) -> bool:
    """Move a running run to interrupted, or to cancelled when a person had asked for that; whether it was running."""
    asked = connection.execute(sa.select(R.cancel_asked).where(R.id == id)).scalar()
    if asked is not None:
        return end(connection, id, owner, status=Status.CANCELLED, message=CANCELLED)
    return end(connection, id, owner, status=Status.INTERRUPTED, message=encoded(reason))


def try_again(connection: Connection, id: int) -> None:
    """Queue an interrupted run whose worker died, unless that happened in each of `MOST_ATTEMPTS` attempts."""
    attempts = connection.execute(sa.select(R.attempts).where(R.id == id, R.status == Status.INTERRUPTED)).scalar()
    if attempts is None or attempts >= MOST_ATTEMPTS:  # None: cancelled, because somebody had asked for that
        return
    requeue(connection, id)
    line = f"the worker is gone; attempt {attempts + 1} of {MOST_ATTEMPTS} waits for another"
    append(connection, id, last_line(connection, id), [(time.time(), line)])


def last_line(connection: Connection, id: int) -> int:
    """The number of the last line in the log of a run; 0 before the first."""
    return connection.execute(sa.select(sa.func.max(L.number)).where(L.run_id == id)).scalar() or 0


def append(connection: Connection, id: int, last: int, lines: Sequence[tuple[float, str]]) -> None:
    """Write lines, each with its time, behind the line `last` of the log of a run, in one statement."""
    numbered = enumerate(lines, last + 1)
    rows = [{"run_id": id, "number": number, "time": moment, "line": line} for number, (moment, line) in numbered]
    connection.execute(logs_table.insert().values(rows))


def known_keys(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of `keys` that a run here has."""
    return set(connection.execute(sa.select(R.key).where(R.key.in_(keys))).scalars())


def state(connection: Connection, column: sa.Column[Any], *where: sa.ColumnElement[bool]) -> tuple[float, ...]:
    """Of the rows that `where` chooses, what is another one once the values of `column` among them are: how many, their
    sum, the sum of their squares, and the largest. An index tells it in a tenth of the time that reading them takes."""
    value = sa.cast(column, sa.Double)
    query = sa.select(sa.func.count(), sa.func.sum(value), sa.func.sum(value * value), sa.func.max(value))
    return tuple(connection.execute(query.where(*where)).one())


def adopted(run: Run) -> dict[str, Any]:
    """The row of a finished run that was made elsewhere, without its artefact."""
    return {
        "key": run.key, "kind": run.kind, "status": Status.DONE, "priority": 0, "spec": run.spec_json,
        "title": encoded(run.title), "progress": 1.0, "message": DONE, "partial": "{}", "result": run.result_json,
        "result_version": result_version(run.result_json), "created": run.created, "started": run.started,
        "finished": run.finished, "worker": run.worker, "attempts": run.attempts, **labelled(run.label),
    }  # fmt: skip


def labelled(label: Label) -> dict[str, Any]:
    """The columns of a label, cut to what they hold; printable characters only. labelled: when, None where nothing is
    written, so that an index finds the few runs on which something is."""
    return {
        "labelled": time.time() if label != Label() else None,
        "name": safe_json.printable(label.name.strip(), LONGEST_NAME) or None,
        "note": safe_json.printable(label.note.strip(), LONGEST_NOTE) or None,
        "starred": label.starred or None,
    }


def requeue(connection: Connection, id: int) -> None:
    """Move a failed, cancelled or interrupted run back to the queue, as if it had never begun."""
    update = runs_table.update().where(R.id == id, R.status.in_(RETRYABLE))
    connection.execute(
        update.values(
            status=Status.QUEUED, attempts=R.attempts + 1, progress=0.0, message="", partial="{}", error=None,
            result=None, result_version=None, started=None, finished=None, worker=None, cancel_asked=None,
            seconds_left=None,
        )
    )  # fmt: skip


def result_version(result: str | None) -> int | None:
    """The version that the JSON of a result says it has; 0 for those of the time before results had one."""
    if result is None:
        return None
    data = json.loads(result)
    return int(data.get("version", 0)) if isinstance(data, dict) else 0


def existing(connection: Connection, id: int) -> Run:
    """The run. Raises UnknownRunError."""
    row = connection.execute(sa.select(runs_table).where(R.id == id)).one_or_none()
    if row is None:
        raise UnknownRunError("there is no run {id}; it may have been deleted", id=id)
    return to_run(row)


def to_run(row: Row[Any]) -> Run:
    """A row as a value."""
    values = dict(row._mapping)
    for hidden in ("priority", "artefact", "cancel_asked", "result_version", "name", "note", "starred", "labelled"):
        del values[hidden]
    for name in ("spec", "partial", "result"):
        values[f"{name}_json"] = values.pop(name)
    for name in ("title", "message", "error"):
        values[name] = None if values[name] is None else decoded(values[name])
    label = label_of(row)
    return Run(**values | {"status": Status(values["status"]), "asked_by": values["asked_by"] or "", "label": label})


def label_of(row: Any) -> Label:
    """What people wrote on the run of a row."""
    return Label(row.name or "", row.note or "", bool(row.starred))
