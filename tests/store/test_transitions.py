"""Whatever is done in whatever order, a run moves along the arrows of `optlab.store.run` and no others."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from optlab.store.rows import MOST_ATTEMPTS
from optlab.store.run import Status
from optlab.store.store import Store

BAD_ENDS = {"failed", "cancelled", "interrupted"}
keys = st.sampled_from(["a", "b"])
workers = st.sampled_from(["w1", "w2"])


class Machine(RuleBasedStateMachine):
    """A model of what each run's status must be, beside the store."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store("sqlite://")
        self.status: dict[int, str] = {}
        self.owner: dict[int, str] = {}
        self.asked: set[int] = set()
        self.attempts: dict[int, int] = {}

    def queue(self, id: int) -> None:
        if self.status[id] in BAD_ENDS:
            self.status[id] = "queued"
            self.attempts[id] += 1

    def end(self, id: int, worker: str, changed: bool, status: str) -> None:
        legal = self.status[id] == "running" and self.owner[id] == worker
        assert changed == legal
        if legal:
            self.status[id] = status
            self.asked.discard(id)

    @rule(key=keys)
    def submit(self, key: str) -> None:
        run = self.store.submit("measure", {}, key, key)
        if run.id in self.status:
            self.queue(run.id)
        else:
            self.status[run.id], self.attempts[run.id] = "queued", 1

    @rule(worker=workers)
    def claim(self, worker: str) -> None:
        run = self.store.claim(worker)
        waiting = [id for id, status in self.status.items() if status == "queued"]
        assert (run.id if run else None) == min(waiting, default=None)
        if run is not None:
            self.status[run.id], self.owner[run.id] = "running", worker

    @rule(worker=workers, data=st.data(), how=st.sampled_from(["done", "failed", "cancelled", "interrupted"]))
    def finish(self, worker: str, data: st.DataObject, how: str) -> None:
        if not self.status:
            return
        id = data.draw(st.sampled_from(sorted(self.status)))
        if how == "done":
            changed = self.store.finish(id, {}, worker)
        elif how == "failed":
            changed = self.store.fail(id, "no", worker)
        elif how == "cancelled":
            changed = self.store.mark_cancelled(id, worker)
        else:
            changed = self.store.interrupt(id, worker=worker)
            how = "cancelled" if id in self.asked else how
        self.end(id, worker, changed, how)

    @rule(worker=workers, again=st.booleans())
    def worker_dies(self, worker: str, again: bool) -> None:
        lost = {run.id for run in self.store.dismiss(worker, again=again)}
        had = {id for id, status in self.status.items() if status == "running" and self.owner[id] == worker}
        assert lost == had
        for id in had:
            self.status[id] = "cancelled" if id in self.asked else "interrupted"
            if again and id not in self.asked and self.attempts[id] < MOST_ATTEMPTS:
                self.queue(id)
            self.asked.discard(id)

    @rule(data=st.data(), action=st.sampled_from(["cancel", "retry", "delete"]))
    def person(self, data: st.DataObject, action: str) -> None:
        if not self.status:
            return
        id = data.draw(st.sampled_from(sorted(self.status)))
        if action == "retry":
            self.store.retry(id)
            self.queue(id)
        elif action == "cancel":
            self.store.request_cancel(id)
            if self.status[id] == "queued":
                self.status[id] = "cancelled"
            elif self.status[id] == "running":
                self.asked.add(id)
        elif self.status[id] != "running":
            self.store.delete(id)
            del self.status[id], self.attempts[id]

    @invariant()
    def the_store_agrees(self) -> None:
        seen = {run.id: run for run in self.store.list()}
        assert {id: run.status for id, run in seen.items()} == self.status
        assert {id: run.attempts for id, run in seen.items()} == self.attempts
        for id, run in seen.items():
            assert isinstance(run.status, Status)
            assert (run.finished is not None) == (run.status in BAD_ENDS | {"done"})
            assert (run.result_json is not None) == (run.status == "done")
            assert self.store.cancel_requested(id) == (id in self.asked)

    def teardown(self) -> None:
        self.store.close()


TestTransitions = Machine.TestCase
TestTransitions.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
