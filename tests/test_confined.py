"""A room answers or says a sentence, whatever its process does, and is of use again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from optlab.confined import MEGABYTE, GivenUpError, Limits, Room
from optlab.errors import Cancelled, OptLabError, TextError
from optlab.progress import Progress

HERE = "tests.test_confined"
LIMITS = Limits(seconds=3.0, memory=256 * MEGABYTE, file=MEGABYTE)


def echo(text: str, progress: Progress) -> str:
    print("what a library prints is no answer")
    progress(0.5, "half")
    return text


def refuse(text: str, progress: Progress) -> str:
    raise TextError("there is no {name!r}", name=text)


def end(text: str, progress: Progress) -> str:
    os.kill(os.getpid(), int(text))
    return ""


def crash(text: str, progress: Progress) -> str:
    raise KeyError(text)


def sleep(text: str, progress: Progress) -> str:
    time.sleep(60)
    return ""


def fill_memory(text: str, progress: Progress) -> str:
    return str(len(bytearray(int(text))))


def fill_file(text: str, progress: Progress) -> str:
    Path(text).write_bytes(bytes(2 * MEGABYTE))
    return ""


def say_anything(text: str, progress: Progress) -> str:
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, text.encode() + b"\n")
        except OSError:
            continue
    return ""


def test_an_answer_comes_with_its_progress() -> None:
    told: list[tuple[float, str]] = []
    with Room(LIMITS) as room:
        answer = room.ask(
            f"{HERE}:echo", "žluťoučký \ud800", progress=lambda part, message, _=None: told.append((part, message))
        )
        assert answer == "žluťoučký \ud800"
    assert told == [(0.5, "half")]


def test_an_error_is_the_same_error_and_the_process_goes_on() -> None:
    with Room(LIMITS) as room:
        with pytest.raises(TextError, match="there is no 'x'") as caught:
            room.ask(f"{HERE}:refuse", "x")
        assert caught.value.message.template == "there is no {name!r}"
        before = room._process
        assert room.ask(f"{HERE}:echo", "again") == "again"
        assert room._process is before


@pytest.mark.parametrize(
    ("function", "argument", "sentence"),
    [
        ("end", str(int(signal.SIGSEGV)), "died .signal 11"),
        ("end", str(int(signal.SIGKILL)), "died .signal 9"),
        ("crash", "x", "died .exit code 1"),
        ("sleep", "", "given up after 3 seconds"),
        ("fill_memory", str(1 << 30), "takes more than 256 MB of memory"),
        ("say_anything", "[[[", "answered what nobody can read"),
        ("say_anything", '{"answer', "answered what nobody can read"),
        ("say_anything", '{"error": 3, "kind": "Exception"}', "answered what nobody can read"),
    ],
)
def test_whatever_the_other_side_does_is_one_sentence_and_the_room_is_of_use_again(
    function: str, argument: str, sentence: str
) -> None:
    with Room(LIMITS) as room:
        with pytest.raises(OptLabError, match=sentence):
            room.ask(f"{HERE}:{function}", argument)
        assert room.ask(f"{HERE}:echo", "well") == "well"


def test_no_file_grows_beyond_its_limit(tmp_path: Path) -> None:
    with Room(LIMITS) as room, pytest.raises(OptLabError):
        room.ask(f"{HERE}:fill_file", str(tmp_path / "large"))
    assert (tmp_path / "large").stat().st_size <= MEGABYTE


def test_a_cancel_ends_the_process_also_while_it_says_nothing() -> None:
    def stop(*_: object) -> None:
        raise Cancelled("stop")

    with Room(Limits(60.0, LIMITS.memory)) as room:
        began = time.monotonic()
        with pytest.raises(Cancelled):
            room.ask(f"{HERE}:sleep", "", progress=stop)
        assert time.monotonic() - began < 30
        assert room._process is None


def test_what_a_process_answers_cannot_be_an_error_of_another_kind() -> None:
    with Room(LIMITS) as room, pytest.raises(OptLabError) as caught:
        room.ask(f"{HERE}:say_anything", '{"error": "x", "kind": "Message"}')
    assert not isinstance(caught.value, GivenUpError)
    assert type(caught.value) is OptLabError


def test_it_finds_this_package_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asked = '{"messages": [], "special": {}, "answer": false}'
    with Room(Limits(seconds=20.0, memory=400 * MEGABYTE)) as room:
        assert room.ask("optlab.models.chat:rendered", "{{ 6 * 7 }}", asked) == "42"
