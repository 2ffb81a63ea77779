"""Who may compute at the same time, and who goes first. Other processes are real ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from optlab.errors import Cancelled
from optlab.machine import locks
from optlab.machine.locks import active, breathe, compute_lock, cores, threads_for

ROOT = Path(__file__).resolve().parents[2]


class Neighbour:
    """Another process that holds the lock as long as its standard input is open."""

    code = """
import sys, time
from optlab.machine.locks import compute_lock, breathe
with compute_lock(exclusive=sys.argv[1] == "exclusive"):
    print("in", flush=True)
    if sys.argv[1] == "breathing":
        while True:
            breathe()
            time.sleep(0.005)
    sys.stdin.read()
print("out", flush=True)
"""

    def __init__(self, mode: str) -> None:
        command = [sys.executable, "-c", self.code, mode]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def neighbour() -> Callable[[str], Neighbour]:
    started: list[Neighbour] = []

    def start(mode: str) -> Neighbour:
        started.append(Neighbour(mode))
        return started[-1]

    yield start  # type: ignore[misc]
    for one in started:
        one.kill()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                pipe.close()


def give_up() -> None:
    raise Cancelled("it is taken")


def test_shared_holders_work_side_by_side_and_are_counted(neighbour: Callable[[str], Neighbour]) -> None:
    assert active() == 0
    assert neighbour("shared").line() == "in"
    assert active() == 1
    with compute_lock(waiting=give_up):
        assert active() == 2
    assert active() == 1


def test_an_exclusive_holder_keeps_everyone_out(neighbour: Callable[[str], Neighbour]) -> None:
    assert neighbour("exclusive").line() == "in"
    for exclusive in (False, True):
        with pytest.raises(Cancelled), compute_lock(exclusive, waiting=give_up):
            pytest.fail("two holders, one of them exclusive")


def test_a_shared_holder_keeps_an_exclusive_one_out(neighbour: Callable[[str], Neighbour]) -> None:
    holder = neighbour("shared")
    assert holder.line() == "in"
    with pytest.raises(Cancelled), compute_lock(True, waiting=give_up):
        pytest.fail("two holders, one of them exclusive")
    holder.leave()
    assert holder.line() == "out"
    with compute_lock(True):
        pass


def test_a_killed_holder_leaves_nothing_locked(neighbour: Callable[[str], Neighbour]) -> None:
    holder = neighbour("exclusive")
    assert holder.line() == "in"
    holder.kill()
    with compute_lock(True, waiting=give_up):
        assert active() == 0


def test_two_breathing_neighbours_let_a_latency_measurement_in(neighbour: Callable[[str], Neighbour]) -> None:
    for _ in range(2):
        assert neighbour("breathing").line() == "in"
    with compute_lock(True):
        assert active() == 0


def test_nobody_new_gets_past_a_waiting_exclusive(neighbour: Callable[[str], Neighbour]) -> None:
    first = neighbour("shared")
    assert first.line() == "in"
    stands_in_the_turnstile, came_in = threading.Event(), threading.Event()

    def measure_latency() -> None:
        with compute_lock(True, waiting=stands_in_the_turnstile.set):
            came_in.set()

    thread = threading.Thread(target=measure_latency)
    thread.start()
    assert stands_in_the_turnstile.wait(10)
    with pytest.raises(Cancelled), compute_lock(waiting=give_up):
        pytest.fail("overtook a waiting exclusive")
    first.leave()
    assert came_in.wait(10)
    thread.join()


def test_an_exclusive_block_inside_a_shared_one_takes_its_turn_and_gives_it_back(
    neighbour: Callable[[str], Neighbour],
) -> None:
    with compute_lock():
        assert active() == 1
        with compute_lock(True):
            assert active() == 0
            with compute_lock():
                assert locks.held.exclusive
        assert active() == 1
        assert neighbour("shared").line() == "in"
    assert active() == 1


def test_breathing_outside_any_lock_or_alone_changes_nothing() -> None:
    breathe()
    with compute_lock():
        breathe(give_up)
        assert active() == 1


def test_a_cancel_ends_the_wait_and_leaves_the_queue(neighbour: Callable[[str], Neighbour]) -> None:
    holder = neighbour("exclusive")
    assert holder.line() == "in"
    with pytest.raises(Cancelled), compute_lock(True, waiting=give_up):
        pass
    holder.leave()
    assert holder.line() == "out"
    with compute_lock(waiting=give_up):  # the turnstile is free again
        assert active() == 1


def test_cores_are_divided_among_those_who_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "cores", lambda: 8)
    assert [threads_for(count) for count in (0, 1, 2, 3, 8, 100)] == [8, 8, 4, 2, 1, 1]


def test_a_wish_for_fewer_threads_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cores() == 1


def test_torch_is_told_its_share_while_alone_and_with_a_neighbour(
    neighbour: Callable[[str], Neighbour], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    class Torch:
        get_num_threads = staticmethod(lambda: told[-1] if told else 0)
        set_num_threads = staticmethod(told.append)

    monkeypatch.setitem(sys.modules, "torch", Torch)  # type: ignore[arg-type]
    monkeypatch.setattr(locks, "cores", lambda: 4)
    monkeypatch.setattr(locks, "RECOUNT_S", 0.0)
    with compute_lock():
        assert told == [4]
        one = neighbour("shared")
        assert one.line() == "in"
        breathe()
        assert told == [4, 2]
        one.leave()
        assert one.line() == "out"
        with compute_lock(True):
            assert told == [4, 2, 4]


def test_a_system_without_such_locks_is_told_in_one_sentence_what_to_use() -> None:
    program = "import sys; sys.modules['fcntl'] = None\nimport optlab.machine.locks"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("OptLab runs on Linux and macOS; on Windows, use it inside WSL")


def test_a_lock_that_is_taken_is_taken_once_and_closing_gives_it_back() -> None:
    first = locks.take("one")
    assert first is not None
    assert locks.take("one") is None
    os.close(first)
    again = locks.take("one")
    assert again is not None
    os.close(again)
