"""What a store keeps of its answers: nothing is asked twice while nobody writes, and whatever anybody wrote is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from optlab.store.run import Status
from optlab.store.store import Store

QUESTIONS: dict[str, Callable[[Store], object]] = {
    "by_key": lambda store: store.by_key("other", "first"),
    "list": lambda store: store.list(kind="measure", limit=3),
    "finished": lambda store: store.finished("measure"),
    "counts": lambda store: store.counts(),
    "moves": lambda store: store.moves(),
}
ALL = pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)


def add(store: Store, key: str, done: bool = True) -> int:
    run = store.submit("measure", {}, key, key)
    if done:
        store.claim("worker", run.id)
        store.finish(run.id, {"version": 1})
    return run.id


@pytest.fixture
def asked(file_store: Store) -> list[str]:
    """Statements that reach the database through `file_store`."""
    found: list[str] = []
    sa.event.listen(file_store.engine, "before_cursor_execute", lambda *given: found.append(given[2]))
    return found


@ALL
def test_nothing_is_asked_twice_while_nobody_writes(
    file_store: Store, asked: list[str], ask: Callable[[Store], object]
) -> None:
    add(file_store, "first")
    before = ask(file_store)
    asked.clear()
    assert ask(file_store) == before
    assert asked == []


@ALL
@pytest.mark.parametrize("own", [True, False], ids=["by this store", "by another"])
def test_what_was_written_is_seen_at_once(file_store: Store, ask: Callable[[Store], object], own: bool) -> None:
    add(file_store, "first", done=False)
    other = Store(file_store.url)
    for number in range(3):
        ask(file_store)
        writer = file_store if own else other
        writer.delete(add(writer, f"gone-{number}"))
        add(writer, "other" if number == 1 else f"more-{number}")
        fresh = Store(file_store.url)
        assert ask(file_store) == ask(fresh)
        fresh.close()
    other.close()


def test_what_a_caller_does_to_a_list_is_its_own(file_store: Store) -> None:
    add(file_store, "first")
    file_store.list(limit=1).clear()
    file_store.counts().clear()
    assert [run.key for run in file_store.list(limit=1)] == ["first"]
    assert file_store.counts()[Status.DONE] == 1


def test_a_database_in_the_place_of_another_answers_for_itself(file_store: Store, tmp_path: Path) -> None:
    add(file_store, "first")
    assert file_store.by_key("first") is not None
    there = Path(str(sa.make_url(file_store.url).database))
    new = Store(f"sqlite:///{tmp_path / 'new.db'}")
    add(new, "second")
    new.close()
    (tmp_path / "new.db").replace(there)
    assert file_store.by_key("first") is None
    assert file_store.by_key("second") is not None


def test_a_thread_that_asks_while_another_writes_never_keeps_what_was_before(file_store: Store) -> None:
    stop = threading.Event()

    def asking() -> None:
        while not stop.is_set():
            file_store.counts()

    threads = [threading.Thread(target=asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            add(file_store, str(number), done=False)
            assert file_store.counts()[Status.QUEUED] == number + 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
