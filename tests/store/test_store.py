"""The contract of the store, held by every database that it may live in."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from optlab import paths
from optlab.errors import MeasurementError, OptLabError
from optlab.jobs.registry import KINDS
from optlab.store import finished, rows, safe_json
from optlab.store import store as store_module
from optlab.store.run import Run, Status, UnknownRunError
from optlab.store.store import Store


def submit(store: Store, key: str = "k", kind: str = "measure") -> Run:
    return store.submit(kind, {"model": "nano"}, key, f"title of {key}", KINDS[kind].priority)


def running(store: Store, key: str = "k") -> Run:
    submit(store, key)
    run = store.claim("w")
    assert run is not None
    return run


def test_a_submitted_run_waits_and_keeps_what_it_was_given(store: Store) -> None:
    before = time.time()
    run = submit(store)
    assert (run.status, run.kind, run.key, run.title) == ("queued", "measure", "k", "title of k")
    assert (run.spec_json, run.attempts, run.progress, run.result_json) == ('{"model":"nano"}', 1, 0.0, None)
    assert before <= run.created <= time.time()
    assert store.get(run.id) == run == store.by_key("k")


def test_the_same_key_is_the_same_run_while_queued_running_and_done(store: Store) -> None:
    first = submit(store)
    assert submit(store).id == first.id
    store.claim("w")
    assert (submit(store).id, submit(store).status) == (first.id, "running")
    store.finish(first.id, {"x": 1})
    assert (submit(store).id, submit(store).status, submit(store).attempts) == (first.id, "done", 1)
    assert store.claim("w") is None


@pytest.mark.parametrize("end", ["fail", "cancel", "interrupt"])
def test_submitting_again_after_a_bad_end_queues_it_again_from_nothing(store: Store, end: str) -> None:
    run = running(store)
    store.report(run.id, 0.5, "half", {"ppl": 3})
    {
        "fail": lambda: store.fail(run.id, "no"),
        "cancel": lambda: store.mark_cancelled(run.id),
        "interrupt": lambda: store.interrupt(run.id),
    }[end]()
    again = submit(store)
    assert (again.id, again.status, again.attempts) == (run.id, "queued", 2)
    assert (again.progress, again.partial_json, again.error, again.started, again.worker) == (
        0.0,
        "{}",
        None,
        None,
        None,
    )


def test_generations_go_before_measurements_and_those_before_preparations_in_order_of_arrival(store: Store) -> None:
    for key, kind in [("p", "prepare"), ("m1", "measure"), ("m2", "measure"), ("g", "generate")]:
        submit(store, key, kind)
    order = [run.key for run in iter(lambda: store.claim("w"), None)]
    assert order == ["g", "m1", "m2", "p"]


def test_many_claimers_get_every_run_exactly_once(store: Store) -> None:
    for number in range(30):
        submit(store, str(number))
    claimed: list[int] = []

    def claim_all(name: str) -> None:
        while (run := store.claim(name)) is not None:
            claimed.append(run.id)

    threads = [threading.Thread(target=claim_all, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 30
    assert len(set(claimed)) == 30


def test_progress_is_kept_until_the_next_report_and_partial_results_until_replaced(store: Store) -> None:
    run = running(store)
    assert store.report(run.id, 0.25, "a quarter", {"ppl": 7.5})
    assert store.report(run.id, 7.0, "beyond the end")
    seen = store.get(run.id)
    assert seen is not None
    assert (seen.progress, seen.message, seen.partial_json) == (1.0, "beyond the end", '{"ppl":7.5}')
    assert store.report(run.id, math.nan, "")
    assert store.get(run.id).progress == 0.0  # type: ignore[union-attr]


def test_only_the_worker_that_has_a_run_may_report_on_it_and_end_it(store: Store) -> None:
    run = running(store)
    assert not store.report(run.id, 0.5, "", worker="thief")
    assert not store.finish(run.id, {}, worker="thief")
    assert not store.fail(run.id, "", worker="thief")
    assert store.report(run.id, 0.5, "", worker="w")
    assert store.finish(run.id, {}, worker="w")


def test_what_has_ended_stays_as_it_ended(store: Store) -> None:
    run = running(store)
    assert store.finish(run.id, {"x": 1})
    assert not any([store.fail(run.id, ""), store.mark_cancelled(run.id), store.interrupt(run.id)])
    assert not store.report(run.id, 0.1, "late")
    assert store.retry(run.id).status == "done"
    assert store.request_cancel(run.id).status == "done"
    assert store.get(run.id).result_json == '{"x":1}'  # type: ignore[union-attr]


def test_a_queued_run_is_cancelled_at_once_and_a_running_one_is_asked(store: Store) -> None:
    queued = submit(store, "queued")
    assert store.request_cancel(queued.id).status == "cancelled"
    run = running(store, "running")
    assert not store.cancel_requested(run.id)
    assert store.request_cancel(run.id).status == "running"
    assert store.cancel_requested(run.id)
    assert store.ignoring_cancel(-1) == ["w"]
    assert store.ignoring_cancel(60) == []
    assert store.mark_cancelled(run.id)
    assert not store.cancel_requested(run.id)
    assert store.retry(run.id).status == "queued"
    assert not store.cancel_requested(run.id)


def test_a_run_that_was_to_be_cancelled_is_cancelled_when_its_worker_dies(store: Store) -> None:
    run = running(store)
    store.request_cancel(run.id)
    assert [lost.status for lost in store.dismiss("w")] == ["cancelled"]


def test_results_survive_numbers_that_json_has_no_word_for(store: Store) -> None:
    run = running(store)
    store.finish(run.id, {"inf": math.inf, "nan": math.nan, "huge": 10**40, "text": "a\x00b\ud800", "path": Path("x")})
    result = safe_json.loads(store.get(run.id).result_json)  # type: ignore[union-attr, arg-type]
    assert result["inf"] == math.inf
    assert math.isnan(result["nan"])
    assert (result["huge"], result["text"], result["path"]) == (10**40, "a\x00b\ud800", "x")


def test_a_result_too_large_is_refused_with_the_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_json, "LARGEST", 1 << 20)
    run = running(store)
    with pytest.raises(MeasurementError, match="more than the 1 MB"):
        store.finish(run.id, {"x": "y" * (2 << 20)})
    assert store.get(run.id).status == "running"  # type: ignore[union-attr]


def test_the_log_keeps_its_newest_lines_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LONGEST_LOG", 5)
    run, other = submit(store), submit(store, "other")
    store.log(other.id, "elsewhere")
    for number in range(8):
        store.log(run.id, f"line {number}\x00")
    lines = [line for _, line in store.logs(run.id)]
    assert lines == [f"line {number}\N{REPLACEMENT CHARACTER}" for number in range(3, 8)]
    assert [line for _, line in store.logs(other.id)] == ["elsewhere"]
    store.log(run.id, "x" * 10_000)
    assert len(store.logs(run.id)[-1][1]) == store_module.LONGEST_LINE


def test_a_deleted_run_is_gone_with_its_log_and_its_id_is_not_used_again(store: Store) -> None:
    run = submit(store)
    store.log(run.id, "x")
    store.delete(run.id)
    assert store.get(run.id) is None
    assert store.logs(run.id) == []
    assert submit(store).id > run.id


def test_a_running_run_cannot_be_deleted(store: Store) -> None:
    run = running(store)
    with pytest.raises(OptLabError, match="cancel it before"):
        store.delete(run.id)


@pytest.mark.parametrize("action", ["delete", "retry", "request_cancel"])
def test_an_unknown_run_is_named_in_the_error(store: Store, action: str) -> None:
    with pytest.raises(UnknownRunError, match="no run 4711"):
        getattr(store, action)(4711)
    assert store.get(4711) is None
    assert store.get(10**30) is None


def test_deleting_the_last_run_of_an_artefact_deletes_its_folder(store: Store) -> None:
    artefact = paths.folder("artefacts") / "abc"
    artefact.mkdir()
    (artefact / "weights").write_text("x")
    runs = [running(store, key) for key in ("one", "two")]
    for run in runs:
        store.finish(run.id, {"artefact": str(artefact)})
    store.delete(runs[0].id)
    assert artefact.exists()
    store.delete(runs[1].id)
    assert not artefact.exists()


def test_deleting_never_touches_a_folder_outside_the_artefacts(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    root = paths.folder("artefacts")
    (root / "link").symlink_to(outside)
    for number, recorded in enumerate([outside, root / ".." / ".." / "precious", root / "link", root]):
        run = running(store, str(number))
        store.finish(run.id, {"artefact": str(recorded)})
        store.delete(run.id)
    assert outside.is_dir()
    assert root.is_dir()


def test_workers_are_known_by_their_last_beat(store: Store) -> None:
    store.beat("w", 12, None, 100, 1.5)
    first = store.workers()[0]
    store.beat("w", 12, 3, 200, 2.5)
    (worker,) = store.workers()
    assert (worker.id, worker.pid, worker.run_id, worker.rss, worker.cpu) == ("w", 12, 3, 200, 2.5)
    assert worker.started == first.started
    assert worker.beat >= first.beat
    assert worker.age(worker.beat + 5) == 5


def test_silent_are_those_that_have_not_beaten_for_long_also_those_that_never_did(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with monkeypatch.context() as earlier:
        earlier.setattr(time, "time", lambda: now - 300.0)
        running(store, "lost")
        store.beat("idle", 2, None)
        store.submit("measure", {}, "kept", "")
        store.claim("alive")
    store.beat("alive", 1, None)
    assert store.silent(600) == []
    assert store.silent(200) == ["idle", "w"]


def test_what_a_dead_worker_did_waits_again_until_it_was_tried_often_enough(store: Store) -> None:
    id = submit(store).id
    for attempt in range(1, rows.MOST_ATTEMPTS + 1):
        claimed = store.claim("w")
        assert claimed is not None and (claimed.id, claimed.attempts) == (id, attempt)
        (left,) = store.dismiss("w", again=True)
        assert left.status == ("queued" if attempt < rows.MOST_ATTEMPTS else "interrupted")
    assert store.get(id).message == store_module.KILLED  # type: ignore[union-attr]
    assert [line for _, line in store.logs(id)][-1] == "the worker is gone; attempt 3 of 3 waits for another"
    assert store.retry(id).attempts == 4
    store.claim("w")
    assert [run.status for run in store.dismiss("w", again=True)] == ["interrupted"]


def test_a_run_that_was_to_be_cancelled_is_not_tried_again(store: Store) -> None:
    run = running(store)
    store.request_cancel(run.id)
    assert [lost.status for lost in store.dismiss("w", again=True)] == ["cancelled"]


def test_lines_of_a_log_keep_the_time_at_which_they_were_written(store: Store) -> None:
    run = running(store)
    store.append(run.id, [(1.0, "one"), (2.0, "two")])
    store.append(run.id, [])
    store.append(4711, [(3.0, "of nobody")])
    assert store.logs(run.id) == [(1.0, "one"), (2.0, "two")]
    assert store.logs(4711) == []


def test_lines_from_many_threads_are_all_kept(store: Store) -> None:
    run = running(store)
    threads = [
        threading.Thread(target=lambda name=name: [store.log(run.id, f"{name} {n}") for n in range(10)])
        for name in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for _, line in store.logs(run.id)]
    assert sorted(lines) == sorted(f"{name} {n}" for name in "abc" for n in range(10))
    for name in "abc":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {n}" for n in range(10)]


def elsewhere(key: str) -> Run:
    return Run(0, key, "measure", Status.DONE, "{}", f"title of {key}", 1.0, result_json='{"version": 1}')


def test_an_import_takes_what_is_new_once_and_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "AT_ONCE", 3)
    known = submit(store, "k4")
    runs = [elsewhere(f"k{number}") for number in range(10)]
    assert store.adopt(runs) == 9
    assert store.adopt(runs) == 0
    assert store.get(known.id).status == "queued"  # type: ignore[union-attr]
    assert [run.key for run in reversed(store.list(status="done"))] == [f"k{n}" for n in range(10) if n != 4]


def test_an_import_gives_the_lock_back_between_its_batches(file_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "AT_ONCE", 5)
    run, other, taken = running(file_store), Store(file_store.url), []
    prepare = store_module.rows.adopted

    def adopted(one: Run) -> dict[str, object]:
        if one.key in ("0", "5", "10"):  # before a batch is written
            taken.append(other.report(run.id, 0.5, "from another process"))
        return prepare(one)

    monkeypatch.setattr(store_module.rows, "adopted", adopted)
    assert file_store.adopt([elsewhere(str(number)) for number in range(12)]) == 12
    assert taken == [True] * 3
    other.close()


def test_runs_are_listed_newest_first_and_by_kind_and_status(store: Store) -> None:
    for key, kind in [("a", "measure"), ("b", "generate"), ("c", "measure")]:
        submit(store, key, kind)
    store.claim("w")
    assert [run.key for run in store.list()] == ["c", "b", "a"]
    assert [run.key for run in store.list(kind="measure")] == ["c", "a"]
    assert [run.key for run in store.list(status="running")] == ["b"]
    assert [run.key for run in store.list(status=("running", "queued"), limit=2)] == ["c", "b"]
    counts = store.counts()
    assert (counts["queued"], counts["running"], counts["done"]) == (2, 1, 0)


def test_runs_are_listed_in_pages_and_of_several_kinds(store: Store) -> None:
    for key, kind in [("a", "measure"), ("b", "generate"), ("c", "prepare"), ("d", "measure")]:
        submit(store, key, kind)
    assert [run.key for run in store.list(limit=2)] == ["d", "c"]
    assert [run.key for run in store.list(limit=2, offset=2)] == ["b", "a"]
    assert store.list(limit=2, offset=4) == []
    assert [run.key for run in store.list(("measure", "generate"), limit=2, offset=1)] == ["b", "a"]


def test_finished_runs_are_read_once_and_deleted_ones_are_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "AT_ONCE", 3)
    for number in range(8):
        run = running(store, f"k{number}")
        store.finish(run.id, {"number": number})
    running(store, "unfinished")
    read: list[int] = []
    several = store._several
    monkeypatch.setattr(store, "_several", lambda ids: (read.extend(ids), several(ids))[1])
    listed = store.list("measure", "done")
    assert store.finished("measure") == listed == store.finished("measure")
    assert sorted(read) == sorted(run.id for run in listed)
    store.delete(listed[3].id)
    last = submit(store, "another")
    store.claim("w2")
    store.finish(last.id, {})
    assert store.finished("measure") == store.list("measure", "done")
    assert read[8:] == [last.id]
    assert store.finished("generate") == []


def test_what_does_not_fit_into_memory_is_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        run = running(store, f"k{number}")
        store.finish(run.id, {"filler": "x" * 1000})
    monkeypatch.setattr(finished, "LARGEST", 3500)
    for _ in range(3):
        assert store.finished("measure") == store.list("measure", "done")
    kept = store._finished["measure"]
    assert len(kept._known) == 3 and kept._size <= 3500


def test_every_move_of_a_run_is_told_and_its_progress_is_none(store: Store) -> None:
    seen = [store.moves()]

    def moved() -> bool:
        seen.append(store.moves())
        return seen[-1] != seen[-2]

    run = submit(store)
    assert moved()
    assert not moved()
    store.claim("w")
    assert moved()
    store.report(run.id, 0.5, "half", {"x": 1})
    store.log(run.id, "a line")
    store.beat("w", 1, run.id)
    assert not moved()
    store.interrupt(run.id)
    assert moved()
    store.retry(run.id)
    assert moved()
    store.claim("w")
    store.finish(run.id, {})
    assert moved()
    store.delete(run.id)
    assert moved()
    assert seen[-1] == seen[0]


def test_two_stores_on_one_file_see_the_same_runs(file_store: Store) -> None:
    other = Store(file_store.url)
    run = submit(file_store)
    assert other.get(run.id) == run
    assert submit(other).id == run.id
    other.close()


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/nowhere/x.db", "nodatabase://x"])
def test_a_store_that_cannot_be_opened_is_named_in_one_sentence(url: str) -> None:
    with pytest.raises(OptLabError) as caught:
        Store(url)
    assert "\n" not in str(caught.value)
    assert url.split(":")[0] in str(caught.value)


def test_a_file_that_is_no_database_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database at all" * 100)
    with pytest.raises(OptLabError, match=r"x\.db"):
        Store(f"sqlite:///{tmp_path / 'x.db'}")


def test_sqlite_is_in_write_ahead_mode(file_store: Store) -> None:
    with file_store.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 1
        assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar() == 10_000


def test_what_a_heartbeat_writes_never_keeps_the_store_locked(file_store: Store) -> None:
    """Stop after every statement that the heartbeat sends, where native code may stop it: others can write."""
    run, other = running(file_store), Store(file_store.url)
    stops: list[str] = []

    def stop(connection: object, cursor: object, statement: str, *rest: object) -> None:
        other.log(run.id, statement)  # would wait, and fail, if the lock were held
        stops.append(statement.split()[0])

    sa.event.listen(file_store.engine, "after_cursor_execute", stop)
    file_store.beat("w", 1, run.id)
    file_store.beat("w", 1, run.id)
    file_store.report(run.id, 0.5, "half", {"x": 1})
    assert stops == ["UPDATE", "INSERT", "UPDATE", "UPDATE"]
    other.close()


def test_the_time_left_is_what_was_told_last_and_belongs_to_a_run_that_works(store: Store) -> None:
    run = store.submit("measure", {}, "k", "title")
    store.claim("w")
    store.report(run.id, 0.25, "a quarter", seconds_left=30.0)
    assert store.get(run.id).seconds_left == 30.0  # type: ignore[union-attr]
    store.report(run.id, 0.5, "who knows")
    assert store.get(run.id).seconds_left is None  # type: ignore[union-attr]
    store.report(run.id, 0.75, "nearly", seconds_left=10.0)
    store.interrupt(run.id)
    assert store.get(run.id).seconds_left is None  # type: ignore[union-attr]
    assert store.retry(run.id).seconds_left is None
