"""A stranger's file or program is read in a process of its own, with limits on its memory, its time and its files.

A header that claims 2^60 numbers, a template that never ends, a library that crashes: whatever it does, it ends that
process, and who asked gets one sentence. Both sides speak lines of JSON, never pickle, because the one that read the
file may say anything. What is asked for is a function by its name, from texts to a text.

The kernel holds the limits (setrlimit): memory that a process may fill (RLIMIT_DATA; mapped files cost nothing),
seconds of processor, bytes of one file. macOS does not hold the first. Whoever asks holds the seconds of the clock.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from types import TracebackType
from typing import IO, Any

from optlab import errors
from optlab.errors import OptLabError
from optlab.messages import decoded, encoded, say
from optlab.progress import Progress, silent

LONGEST_LINE = 256 << 20
"""Bytes of one answer."""
LOOK_S = 0.5
"""How often `progress` is asked whether to go on, while nothing arrives."""
MEGABYTE = 1 << 20
PACKAGES = Path(__file__).resolve().parents[1]


class GivenUpError(OptLabError):
    """A limit was reached, or the process died."""


@dataclass(frozen=True)
class Limits:
    """What a process may take. seconds: for one question, of the clock. memory, file: bytes to fill, bytes of one file.
    The process itself needs 100 MB, with torch 500."""

    seconds: float
    memory: int
    file: int = 64 * MEGABYTE


class Room:
    """One process that answers questions, one at a time; started with the first, and again after one that ended it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Room:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process; the next question starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def ask(self, function: str, *arguments: str, progress: Progress = silent) -> str:
        """What "module:function" answers to these texts; it is also given a `progress`, whose reports arrive here.

        Raises the OptLabError that it raised, GivenUpError at a limit or when the process died, and what `progress`
        raises; after the last two the process is gone.
        """
        with self._turn:
            try:
                return self._answer({"function": function, "arguments": arguments}, progress)
            except _Told as told:
                raise told.error from None
            except BaseException:
                self.close()
                raise

    def _answer(self, question: dict[str, Any], progress: Progress) -> str:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _started(self.limits)
        lines = _Lines(self._process.stdout, time.monotonic() + self.limits.seconds)
        said: tuple[float, str] = (0.0, say("reading"))
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None
        while True:
            line = lines.next()
            if line is None:
                progress(*said)
                continue
            if not line:
                raise self._dead()
            try:
                told = json.loads(line)
                if "answer" in told:
                    return str(told["answer"])
                if "error" in told:
                    raise _Told(_error(str(told["kind"]), decoded(told["error"])))
                said = float(told["fraction"]), decoded(told["message"])
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise GivenUpError("the process that read it answered what nobody can read") from None
            progress(*said)

    def _dead(self) -> GivenUpError:
        assert self._process is not None
        code = self._process.wait()
        return GivenUpError(
            "reading it was given up: the process that did it died ({how})",
            how=say("signal {number}", number=-code) if code < 0 else say("exit code {code}", code=code),
        )


class _Told(Exception):  # noqa: N818  it carries an error
    """The other side raised `error`, and is well."""

    def __init__(self, error: OptLabError) -> None:
        self.error = error


class _Lines:
    """Lines of a pipe until a moment of `time.monotonic`."""

    def __init__(self, stream: IO[bytes] | None, until: float) -> None:
        assert stream is not None
        self.descriptor, self.until, self.held = stream.fileno(), until, bytearray()
        self.began = time.monotonic()

    def next(self) -> bytes | None:
        """The next line with its end; None when nothing came for `LOOK_S`, b"" when nothing will. Raises
        GivenUpError."""
        while (end := self.held.find(b"\n")) < 0:
            left = self.until - time.monotonic()
            if left <= 0:
                raise GivenUpError(
                    "reading it was given up after {seconds} seconds; nothing was changed",
                    seconds=round(self.until - self.began),
                )
            with selectors.DefaultSelector() as selector:
                selector.register(self.descriptor, selectors.EVENT_READ)
                if not selector.select(min(left, LOOK_S)):
                    return None
            piece = os.read(self.descriptor, MEGABYTE)
            if not piece:
                return b""
            self.held += piece
            if len(self.held) > LONGEST_LINE:
                raise GivenUpError("reading it was given up: its answer has more than {count} MB", count=256)
        line = bytes(self.held[: end + 1])
        del self.held[: end + 1]
        return line


def _started(limits: Limits) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "optlab.confined", str(limits.seconds), str(limits.memory), str(limits.file)]
    # it must find this package also where a notebook put it on `sys.path` by hand
    searched = os.pathsep.join([str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": searched}
    )


def _error(kind: str, message: str) -> OptLabError:
    """The error of `optlab.errors` by that name, else a plain one."""
    found = getattr(errors, kind, OptLabError)
    known = isinstance(found, type) and issubclass(found, OptLabError)
    return found(message) if known else OptLabError(message)


def serve(limits: Limits) -> None:
    """The other side: answer questions until there are no more."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer

    def tell(said: dict[str, Any]) -> None:
        answers.write(json.dumps(said).encode() + b"\n")

    def report(fraction: float, message: str, partial: object = None) -> None:
        tell({"fraction": fraction, "message": encoded(message)})

    for line in sys.stdin.buffer:
        question = json.loads(line)
        confine(limits)
        try:
            function = resolve_name(question["function"])
            tell({"answer": function(*question["arguments"], progress=report)})
        except OptLabError as error:
            tell({"kind": type(error).__name__, "error": encoded(error.message)})
        except MemoryError:
            tell({"kind": "OptLabError", "error": encoded(_no_memory(limits))})
        except RuntimeError as error:
            if "alloc" not in str(error):  # torch has no error of its own for it
                raise
            tell({"kind": "OptLabError", "error": encoded(_no_memory(limits))})


def _no_memory(limits: Limits) -> str:
    return say("reading it takes more than {size} MB of memory", size=limits.memory // MEGABYTE)


def confine(limits: Limits) -> None:
    """Hold this process to `limits` from now on; its seconds begin now."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + limits.seconds * (os.cpu_count() or 1)) + 1
    wanted = {
        resource.RLIMIT_DATA: limits.memory, resource.RLIMIT_FSIZE: limits.file, resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
    }  # fmt: skip
    for kind, most in wanted.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    serve(Limits(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
