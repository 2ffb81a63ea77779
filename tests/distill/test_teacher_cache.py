"""The teacher's answers from its cache: the same distribution, asked for once, damaged never."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optlab.distill.losses import forward_kl
from optlab.distill.teacher_cache import AskedTeacher, TeacherCache
from optlab.errors import MeasurementError
from optlab.models.language_model import LanguageModel


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randint(4, 150, (6, 16), generator=torch.Generator().manual_seed(0))


FORMS = pytest.mark.parametrize("logits_bytes", [1 << 20, 0], ids=["logits", "hidden"])


@FORMS
@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_cached_answers_equal_the_teachers_within_half_precision(
    temperature: float, logits_bytes: int, teacher: LanguageModel, windows: torch.Tensor
) -> None:
    rows = torch.tensor([4, 0, 4])
    asked, cache = AskedTeacher(teacher, windows), TeacherCache(teacher, windows, logits_bytes)
    with torch.no_grad():
        live, other = (asked.logits(asked.read(which)) for which in (rows, rows.flip(0) - 1))
        cached = cache.logits(cache.read(rows))
    assert cache.keeps == ("logits" if logits_bytes else "hidden")
    assert torch.equal(live, teacher.logits(windows[rows])[:, :-1].flatten(0, 1))
    assert forward_kl(cached, live, temperature) < 1e-5 * forward_kl(other, live, temperature)
    # a number of float16 is off by at most 2^-11 of itself, so a logit by that share of its terms' sizes
    with torch.no_grad():
        sizes = asked.read(rows).abs() @ teacher.weight(teacher.structure.head).abs().T
        if logits_bytes:
            live = live - live.amax(-1, keepdim=True)
            sizes = live.abs()
    assert ((cached - live).abs() <= 2**-10 * sizes).all()


@FORMS
def test_the_teacher_is_asked_once_by_all_trainings(
    logits_bytes: int, teacher: LanguageModel, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = TeacherCache(teacher, windows, logits_bytes).read(torch.arange(6))
    monkeypatch.setattr(LanguageModel, "hidden", None)
    again = TeacherCache(teacher, windows, logits_bytes)
    assert torch.equal(again.read(torch.arange(6)), answers)


def test_a_disk_with_little_room_gets_the_smaller_form(
    teacher: LanguageModel, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab.distill.teacher_cache.FREE_SHARE", 0.0)
    assert TeacherCache(teacher, windows).keeps == "hidden"


def test_other_words_are_another_cache(teacher: LanguageModel, windows: torch.Tensor) -> None:
    one, other = TeacherCache(teacher, windows), TeacherCache(teacher, windows + 1)
    assert one.folder != other.folder


def test_a_cache_that_was_cut_short_is_filled_again(teacher: LanguageModel, windows: torch.Tensor) -> None:
    cache = TeacherCache(teacher, windows)
    answers = cache.read(torch.arange(6))
    place = cache.folder / cache.keeps
    place.write_bytes(place.read_bytes()[:100])
    assert torch.equal(TeacherCache(teacher, windows).read(torch.arange(6)), answers)


def test_a_full_disk_is_said_in_words(
    teacher: LanguageModel, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("optlab.distill.teacher_cache.os.posix_fallocate", full)
    with pytest.raises(MeasurementError, match="No space left"):
        TeacherCache(teacher, windows).read(torch.arange(2))


def test_answers_that_were_damaged_are_asked_for_again(teacher: LanguageModel, windows: torch.Tensor) -> None:
    rows = torch.arange(len(windows))
    first = TeacherCache(teacher, windows)
    expected = first.read(rows).clone()
    place = first.folder / first.keeps
    data = bytearray(place.read_bytes())
    for position in range(64):
        data[position * 97] ^= 0x10
    place.write_bytes(data)
    assert torch.equal(TeacherCache(teacher, windows).read(rows), expected)
