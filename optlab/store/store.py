"""Where runs live: the one thing that the pages, the command line and the worker processes share.

Every method is one short transaction, and every change of status is conditional on the status it starts from, so that
it does not matter who comes first. Torch is never imported here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from optlab.errors import OptLabError
from optlab.messages import encoded, say
from optlab.store import artefacts, rows, safe_json
from optlab.store.database import Database
from optlab.store.finished import Finished
from optlab.store.run import RETRYABLE, Label, Run, Status, UnknownRunError, Worker
from optlab.store.schema import logs_table, runs_table, workers_table

KILLED = say("the worker was killed; press retry")
LOST = say("the worker stopped answering; press retry")
AT_ONCE = 200
"""Runs that one statement reads, or an import writes with the lock taken once: others get their turn in between."""
FEW = 50
"""Runs of a list that is kept while nothing is written; a longer one takes memory."""
BEFORE_IT_BEGAN = encoded(say("cancelled before it began"))
LONGEST_LINE = 4_000
LONGEST_LOG = 2_000

T = TypeVar("T")

# inside the class `list` is the method
Runs = list[Run]
Workers = list[Worker]
Names = list[str]
Lines = list[tuple[float, str]]
Moves = tuple[tuple[str, int, int], ...]
Conditions = tuple[sa.ColumnElement[bool], ...]

R, L, W = runs_table.c, logs_table.c, workers_table.c


class Store(Database):
    """Runs in a database at `url`; see `optlab.store.database.Database`."""

    def __init__(self, url: str | None = None) -> None:
        super().__init__(url)
        self._finished: dict[str, Finished] = {}
        self._read_of = self.replaced

    # -- asking for work ----------------------------------------------------------------------------------------------

    def submit(self, kind: str, spec: Any, key: str, title: str, priority: int = 0, asked_by: str = "") -> Run:
        """The run of `key`: the existing one when it is queued, running or done, else queued (again).

        spec: a document, or plain JSON. priority: higher goes first. asked_by: the name of a person; a run that is
        queued again belongs to who asked last.
        """
        try:
            return self._submit(kind, spec, key, title, priority, asked_by)
        except sa.exc.IntegrityError:  # another process inserted the same key between our look and our insert
            return self._submit(kind, spec, key, title, priority, asked_by)

    def _submit(self, kind: str, spec: Any, key: str, title: str, priority: int, asked_by: str) -> Run:
        with self._write() as connection:
            row = connection.execute(sa.select(runs_table).where(R.key == key)).one_or_none()
            if row is None:
                connection.execute(
                    runs_table.insert().values(
                        key=key, kind=kind, status=Status.QUEUED, priority=priority, spec=safe_json.dumps(spec),
                        title=safe_json.sentence(title, LONGEST_LINE), progress=0.0, message="", partial="{}",
                        created=time.time(), attempts=1, asked_by=asked_by or None,
                    )
                )  # fmt: skip
            elif row.status in RETRYABLE:
                rows.requeue(connection, row.id)
                connection.execute(runs_table.update().where(R.id == row.id).values(asked_by=asked_by or None))
            return rows.to_run(connection.execute(sa.select(runs_table).where(R.key == key)).one())

    def adopt(self, runs: Runs) -> int:
        """Take in finished runs that were made elsewhere; those whose key is known stay as they are.

        They are written in batches, each whole: what a full disk cuts off is completed by doing it again. Returns how
        many are new.
        """
        added = 0
        for batch in batched(runs, AT_ONCE):
            new = {run.key: rows.adopted(run) for run in reversed(batch)}
            with self._write() as connection:
                known = rows.known_keys(connection, new)
                wanted = [row for key, row in reversed(new.items()) if key not in known]
                if wanted:
                    connection.execute(runs_table.insert(), wanted)
            added += len(wanted)
        return added

    def retry(self, id: int) -> Run:
        """Queue a failed, cancelled or interrupted run again; any other stays as it is. Raises UnknownRunError."""
        with self._write() as connection:
            rows.requeue(connection, id)
            return rows.existing(connection, id)

    def annotate(self, id: int, label: Label) -> Run:
        """Write `label` on a run, in the place of what was there. Raises UnknownRunError."""
        with self._write() as connection:
            connection.execute(runs_table.update().where(R.id == id).values(**rows.labelled(label)))
            return rows.existing(connection, id)

    def request_cancel(self, id: int) -> Run:
        """Cancel a queued run at once, ask the worker of a running one to stop. Raises UnknownRunError."""
        now = time.time()
        with self._write() as connection:
            rows.move(
                connection,
                id,
                Status.QUEUED,
                status=Status.CANCELLED,
                finished=now,
                message=BEFORE_IT_BEGAN,
            )
            asked = runs_table.update().where(R.id == id, R.status == Status.RUNNING, R.cancel_asked.is_(None))
            connection.execute(asked.values(cancel_asked=now))
            return rows.existing(connection, id)

    def delete(self, id: int) -> None:
        """Forget a run, its log, and its artefact unless another run uses it.

        Raises OptLabError while the run is running, UnknownRunError when there is none.
        """
        with self._write() as connection:
            row = connection.execute(sa.select(R.status, R.artefact).where(R.id == id)).one_or_none()
            if row is None:
                raise UnknownRunError("there is no run {id}; it may have been deleted", id=id)
            if row.status == Status.RUNNING:
                raise OptLabError("run {id} is running; cancel it before deleting it", id=id)
            connection.execute(logs_table.delete().where(L.run_id == id))
            connection.execute(runs_table.delete().where(R.id == id))
            users = connection.execute(sa.select(sa.func.count()).where(R.artefact == row.artefact)).scalar_one()
        if row.artefact and not users:
            artefacts.remove(row.artefact)

    # -- looking ------------------------------------------------------------------------------------------------------

    def get(self, id: int) -> Run | None:
        """The run, or None when there is none of that id."""
        return self._one(R.id == id) if 0 < id < 2**31 else None

    def by_key(self, *keys: str) -> Run | None:
        """The run of the first of `keys` that has one, or None."""
        return self._unless_written(("by_key", keys), lambda: self._by_key(keys))

    def _by_key(self, keys: tuple[str, ...]) -> Run | None:
        with self._look() as connection:
            found = {row.key: row for row in connection.execute(sa.select(runs_table).where(R.key.in_(keys)))}
        return next((rows.to_run(found[key]) for key in keys if key in found), None)

    def list(
        self, kind: str | tuple[str, ...] | None = None, status: str | tuple[str, ...] | None = None,
        limit: int | None = None, offset: int = 0,
    ) -> Runs:  # fmt: skip
        """Runs, newest first. kind, status: one, or several. offset: so many of the newest are left out."""
        if limit is None or limit > FEW:
            return self._list(kind, status, limit, offset)
        asked = kind, status, limit, offset
        return [*self._unless_written(("list", *asked), lambda: self._list(*asked))]

    def _list(
        self, kind: str | tuple[str, ...] | None, status: str | tuple[str, ...] | None, limit: int | None, offset: int
    ) -> Runs:
        # first the numbers, from an index: to find the newest few, a database would sort the rows with all their JSON
        ids = sa.select(R.id).order_by(R.id.desc()).limit(limit).offset(offset or None)
        for column, wanted in ((R.kind, kind), (R.status, status)):
            if wanted is not None:
                ids = ids.where(column == wanted if isinstance(wanted, str) else column.in_(wanted))
        query = sa.select(runs_table).where(R.id.in_(ids)).order_by(R.id.desc())
        with self._look() as connection:
            return [rows.to_run(row) for row in connection.execute(query)]

    def finished(self, kind: str) -> Runs:
        """`list` of a kind's runs that are done; each is read once while this store is open, and the same list is
        returned until another is done, deleted or labelled: it is not to be changed."""
        if self._read_of != self.replaced:
            self._finished, self._read_of = {}, self.replaced
        known = self._finished.setdefault(kind, Finished(self._several))
        if (found := known.unchanged(self._unless_written(("state", kind), lambda: self._state(kind)))) is not None:
            return found
        done, labelled = _finished(kind)
        with self._read() as connection:
            state = _state(connection, kind)
            ids = connection.execute(sa.select(R.id).where(*done).order_by(R.id.desc())).scalars().all()
            written = connection.execute(sa.select(R.id, R.name, R.note, R.starred).where(labelled))
            labels = {row.id: rows.label_of(row) for row in written}
        return known.of(ids, labels, state)

    def _state(self, kind: str) -> object:
        with self._read() as connection:
            return _state(connection, kind)

    def _several(self, ids: Sequence[int]) -> Runs:
        found = []
        for batch in batched(ids, AT_ONCE):
            with self._read() as connection:
                found += [rows.to_run(row) for row in connection.execute(sa.select(runs_table).where(R.id.in_(batch)))]
        return found

    def counts(self) -> dict[str, int]:
        """How many runs have each status."""
        return {**self._unless_written("counts", self._counts)}

    def _counts(self) -> dict[str, int]:
        query = sa.select(R.status, sa.func.count()).group_by(R.status)
        with self._look() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {status.value: found.get(status, 0) for status in Status}

    def moves(self) -> Moves:
        """What is another one once a run was added, deleted, or got another status; from an index, in a millisecond."""
        return self._unless_written("moves", self._moves)

    def _moves(self) -> Moves:
        query = sa.select(R.status, sa.func.count(), sa.func.sum(R.id)).group_by(R.status).order_by(R.status)
        with self._look() as connection:
            return tuple((status, int(count), int(total)) for status, count, total in connection.execute(query))

    # -- doing the work (called by workers) ---------------------------------------------------------------------------

    def claim(self, worker_id: str, only: int | None = None) -> Run | None:
        """Take the next queued run for `worker_id`, or the run `only`; None when nothing (or not that one) waits.

        No two callers get the same run.
        """
        waiting = sa.select(R.id).where(R.status == Status.QUEUED).order_by(R.priority.desc(), R.id).limit(1)
        if only is not None:
            waiting = waiting.where(R.id == only)
        while True:
            with self._read() as connection:  # the common case, nothing to do, must not take the write lock
                id = connection.execute(waiting).scalar()
            if id is None:
                return None
            with self._write() as connection:
                if rows.move(
                    connection, id, Status.QUEUED, status=Status.RUNNING, worker=worker_id, started=time.time()
                ):
                    return rows.existing(connection, id)

    def report(
        self, id: int, fraction: float, message: str, partial: Any = None, seconds_left: float | None = None,
        worker: str | None = None,
    ) -> bool:  # fmt: skip
        """Note progress; False when the run is no longer running (of `worker`, when given): stop working on it."""
        values: dict[str, Any] = {
            "seconds_left": seconds_left,
            "progress": min(max(fraction, 0.0), 1.0) if fraction == fraction else 0.0,
            "message": safe_json.sentence(message, LONGEST_LINE),
        }
        if partial is not None:
            values["partial"] = safe_json.dumps(partial)
        with self._statement() as connection:
            return rows.move(connection, id, Status.RUNNING, worker, **values)

    def finish(self, id: int, result: Any, worker: str | None = None) -> bool:
        """running -> done. False when it was no longer running. result: a document, or plain JSON; the folder that it
        names as its `artefact` goes when the run is deleted."""
        artefact = result.get("artefact") if isinstance(result, Mapping) else getattr(result, "artefact", None)
        text = safe_json.dumps(result)
        values = {
            "result": text, "result_version": rows.result_version(text),
            "artefact": str(artefact) if artefact else None, "error": None,
        }  # fmt: skip
        with self._write() as connection:
            return rows.end(connection, id, worker, status=Status.DONE, progress=1.0, message=rows.DONE, **values)

    def fail(self, id: int, error: str, worker: str | None = None) -> bool:
        """running -> failed, with one sentence for the person. False when it was no longer running."""
        error = safe_json.sentence(error, LONGEST_LINE)
        with self._write() as connection:
            return rows.end(connection, id, worker, status=Status.FAILED, error=error)

    def mark_cancelled(self, id: int, worker: str | None = None) -> bool:
        """running -> cancelled. False when it was no longer running."""
        with self._write() as connection:
            return rows.end(connection, id, worker, status=Status.CANCELLED, message=rows.CANCELLED)

    def interrupt(self, id: int, reason: str = KILLED, worker: str | None = None) -> bool:
        """running -> interrupted (or cancelled, when that was asked for). False when it was no longer running."""
        with self._write() as connection:
            return rows.interrupt(connection, id, reason, worker)

    def cancel_requested(self, id: int) -> bool:
        """Whether a person wants the running run to stop."""
        return self.cancel_age(id) is not None

    def cancel_age(self, id: int) -> float | None:
        """Seconds since a person asked the running run to stop; None when nobody did."""
        with self._read() as connection:
            asked = connection.execute(sa.select(R.cancel_asked).where(R.id == id, R.status == Status.RUNNING)).scalar()
        return None if asked is None else max(time.time() - asked, 0.0)

    def ignoring_cancel(self, longer_than_s: float) -> Names:
        """Workers that were asked to stop their run that long ago and still have not."""
        late = sa.select(R.worker).where(R.status == Status.RUNNING, R.cancel_asked < time.time() - longer_than_s)
        with self._read() as connection:
            return [name for name in connection.execute(late).scalars() if name]

    def log(self, id: int, line: str) -> None:
        """Append a line to the run's log; the oldest lines go once there are more than `LONGEST_LOG`."""
        self.append(id, [(time.time(), line)])

    def append(self, id: int, lines: Lines) -> None:
        """`log` for several lines at once, each with its time; no lock is held between two statements."""
        clean = [(moment, safe_json.printable(line, LONGEST_LINE)) for moment, line in lines[-LONGEST_LOG:]]
        last = 0
        while clean:
            with self._read() as connection:
                if connection.execute(sa.select(R.id).where(R.id == id)).scalar() is None:
                    return
                last = rows.last_line(connection, id)
            try:
                with self._statement() as connection:
                    rows.append(connection, id, last, clean)
                break
            except sa.exc.IntegrityError:  # somebody else wrote a line of that number meanwhile
                continue
        if clean and last + len(clean) > LONGEST_LOG:
            with self._statement() as connection:
                connection.execute(
                    logs_table.delete().where(L.run_id == id, L.number <= last + len(clean) - LONGEST_LOG)
                )

    def logs(self, id: int) -> Lines:
        """(seconds since 1970, line), oldest first."""
        with self._read() as connection:
            lines = connection.execute(sa.select(L.time, L.line).where(L.run_id == id).order_by(L.number))
            return [(row.time, row.line) for row in lines]

    # -- staying alive ------------------------------------------------------------------------------------------------

    def beat(self, worker_id: str, pid: int, run_id: int | None, rss: int = 0, cpu: float = 0.0) -> None:
        """A sign of life of a worker: bytes of memory, percent of one core."""
        values = {"pid": pid, "run_id": run_id, "beat": time.time(), "rss": rss, "cpu": cpu}
        with self._statement() as connection:
            known = connection.execute(workers_table.update().where(W.id == worker_id).values(**values)).rowcount
        if not known:
            with self._statement() as connection:
                connection.execute(workers_table.insert().values(id=worker_id, started=values["beat"], **values))

    def workers(self) -> Workers:
        """Workers and their last sign of life, by name."""
        with self._look() as connection:
            return [Worker(**row._mapping) for row in connection.execute(sa.select(workers_table).order_by(W.id))]

    def dismiss(self, worker_id: str, reason: str = KILLED, again: bool = False) -> Runs:
        """Forget a worker that is gone and interrupt what it was doing; returns those runs.

        again: queue them again, unless they were tried too often already (`rows.MOST_ATTEMPTS`).
        """
        with self._write() as connection:
            connection.execute(workers_table.delete().where(W.id == worker_id))
            owned = sa.select(R.id).where(R.status == Status.RUNNING, R.worker == worker_id)
            found = [id for id in connection.execute(owned).scalars().all()
                     if rows.interrupt(connection, id, reason, worker_id)]  # fmt: skip
            if again:
                for id in found:
                    rows.try_again(connection, id)
            return [rows.existing(connection, id) for id in found]

    def silent(self, longer_than_s: float) -> Names:
        """Workers that gave no sign of life for that long, those among them that have a run and never gave one; and
        those whose last sign lies so far ahead: the clock was put back since, and the living beat by the new one."""
        now = time.time()

        def odd(beat: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
            return sa.or_(beat < now - longer_than_s, beat > now + longer_than_s)

        joined = sa.select(R.worker).select_from(runs_table.outerjoin(workers_table, R.worker == W.id))
        lost = joined.where(R.status == Status.RUNNING, odd(sa.func.coalesce(W.beat, R.started)))
        with self._read() as connection:
            names = connection.execute(lost.union(sa.select(W.id).where(odd(W.beat)))).scalars()
            return sorted(name for name in names if name)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _one(self, condition: sa.ColumnElement[bool]) -> Run | None:
        with self._look() as connection:
            row = connection.execute(sa.select(runs_table).where(condition)).one_or_none()
        return None if row is None else rows.to_run(row)


def _finished(kind: str) -> tuple[Conditions, sa.ColumnElement[bool]]:
    """Which runs of a kind are done, and which runs of any kind have a label."""
    return (R.kind == kind, R.status == Status.DONE), R.labelled.is_not(None)


def _state(connection: Connection, kind: str) -> object:
    """Another one whenever `Store.finished` is."""
    done, labelled = _finished(kind)
    return rows.state(connection, R.id, *done), rows.state(connection, R.labelled, labelled)


def batched(many: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`many` in pieces of at most `size`."""
    return (many[start : start + size] for start in range(0, len(many), size))
