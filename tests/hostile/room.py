"""Attempts on a door, in processes of their own with 10 seconds and 1 GB for each, and what became of them.

The processes are copies of one that has imported everything (multiprocessing's fork server). One process makes attempt
after attempt until it hangs or dies, and then another makes the rest.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

SECONDS = 10.0
"""Of the processor. Tests share a machine, so the clock is given nine times as much."""
MEMORY = 1 << 30
LONGEST_SENTENCE = 600
AT_ONCE = 2

RIGHT, SENTENCE = "right", "sentence"
"""The two ways in which an attempt may end."""
TRACEBACK, HANG, HUGE, LONG = "traceback", "hang", "memory", "a sentence that is too long"

Input = tuple[str, bytes]
"""Its name, and what is given to the door."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.hostile.doors"])


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended. said: the answer, the sentence, or the end of the traceback. peak: bytes of memory that the
    process had taken by then."""

    door: str
    name: str
    ended: str
    said: str = ""
    seconds: float = 0.0
    peak: int = 0

    @property
    def well(self) -> bool:
        return self.ended in (RIGHT, SENTENCE)

    def __str__(self) -> str:
        name, said = self.name[:80], self.said[-1500:]
        return f"{self.door}, {name}: {self.ended} in {self.seconds:.1f} s, {self.peak >> 20} MB: {said}"


def attempts(door: str, inputs: Sequence[Input], base: Path) -> list[Verdict]:
    """The verdict on each of some inputs. base: a sound model folder, which is not written to."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        halves = pool.map(lambda half: _all(door, half, base), [inputs[place::AT_ONCE] for place in range(AT_ONCE)])
        return [verdict for half in halves for verdict in half]


def attempt(door: str, data: bytes, base: Path) -> Verdict:
    """The verdict on one input."""
    (verdict,) = _all(door, [("", data)], base)
    return verdict


def _all(door: str, inputs: Sequence[Input], base: Path) -> list[Verdict]:
    verdicts: list[Verdict] = []
    while len(verdicts) < len(inputs):
        verdicts += _until_the_first_that_ends_it(door, inputs[len(verdicts) :], base)
    return verdicts


def _until_the_first_that_ends_it(door: str, inputs: Sequence[Input], base: Path) -> list[Verdict]:
    ours, theirs = _processes.Pipe(duplex=False)
    scratch = Path(tempfile.mkdtemp(prefix="optlab-hostile-"))
    process = _processes.Process(target=_try_all, args=(door, inputs, base, scratch, theirs), daemon=True)
    verdicts: list[Verdict] = []
    try:
        process.start()
        theirs.close()
        for name, _ in inputs:
            try:
                verdict = ours.recv() if _answers(ours, process.pid) else Verdict(door, name, HANG)
            except EOFError:
                process.join()
                verdict = Verdict(door, name, TRACEBACK, f"the process died (exit code {process.exitcode})")
            verdicts.append(verdict)
            if not verdict.well:
                break
        return verdicts
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _answers(ours: Connection, pid: int | None) -> bool:
    """Whether a verdict comes, or the end of the process, before the attempt has used up its seconds."""
    began, before = time.monotonic(), None
    while not ours.poll(0.1):
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:  # it has ended: what it said last is there to be read
            return True
        used = times.user + times.system
        before = used if before is None else before
        if used - before > SECONDS or time.monotonic() - began > 9 * SECONDS:
            return False
    return True


def _try_all(door: str, inputs: Sequence[Input], base: Path, scratch: Path, told: Connection) -> None:
    """The other side."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    taken = psutil.Process().memory_info().vms  # of the address space, by what was imported
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, (name, data) in enumerate(inputs):
        here = scratch / str(number)
        here.mkdir()
        os.environ["OPTLAB_HOME"] = str(here / "home")
        told.send(_try(door, name, data, base, here))
        shutil.rmtree(here, ignore_errors=True)


def _try(door: str, name: str, data: bytes, base: Path, here: Path) -> Verdict:
    from optlab.errors import OptLabError
    from tests.hostile.doors import DOORS

    began = time.perf_counter()
    try:
        ended, said = RIGHT, DOORS[door](data, base, here)
    except OptLabError as error:
        said = str(error.message)
        ended = SENTENCE if len(said) < LONGEST_SENTENCE else LONG
    except MemoryError:
        ended, said = HUGE, traceback.format_exc()
    except BaseException:  # what Rust panics with is no Exception
        said = traceback.format_exc()
        ended = HUGE if "can't allocate memory" in said else TRACEBACK
    seconds = time.perf_counter() - began
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) << 10
    if ended in (RIGHT, SENTENCE) and peak > MEMORY:
        ended = HUGE
    return Verdict(door, name, ended, said[-2000:], seconds, peak)
