"""The teacher's answers from its cache: the same distribution, asked for once, damaged never."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optlab.distill.losses import forward_kl
from optlab.distill.teacher_cache import TeacherCache
from optlab.errors import MeasurementError
from optlab.models.language_model import LanguageModel


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randint(4, 150, (6, 16), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_cached_answers_equal_the_teachers_within_half_precision(
    temperature: float, teacher: LanguageModel, windows: torch.Tensor
) -> None:
    rows = torch.tensor([4, 0, 4])
    with torch.no_grad():
        live, other = teacher.logits(windows[rows]), teacher.logits(windows[rows.flip(0) - 1])
        cached = teacher.head(TeacherCache(teacher, windows).hidden(rows))
    assert forward_kl(cached, live, temperature) < 1e-5 * forward_kl(other, live, temperature)
    # a number of float16 is off by at most 2^-11 of itself, so a logit by that share of its terms' sizes
    with torch.no_grad():
        sizes = teacher.hidden(windows[rows]).abs() @ teacher.weight(teacher.structure.head).abs().T
    assert ((cached - live).abs() <= 2**-10 * sizes).all()


def test_the_teacher_is_asked_once_by_all_trainings(
    teacher: LanguageModel, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = TeacherCache(teacher, windows)
    answers = first.hidden(torch.arange(6))
    monkeypatch.setattr(LanguageModel, "hidden", None)
    again = TeacherCache(teacher, windows)
    assert torch.equal(again.hidden(torch.arange(6)), answers)


def test_other_words_are_another_cache(teacher: LanguageModel, windows: torch.Tensor) -> None:
    one, other = TeacherCache(teacher, windows), TeacherCache(teacher, windows + 1)
    assert one.folder != other.folder


def test_a_cache_that_was_cut_short_is_filled_again(teacher: LanguageModel, windows: torch.Tensor) -> None:
    cache = TeacherCache(teacher, windows)
    answers = cache.hidden(torch.arange(6))
    place = cache.folder / "hidden"
    place.write_bytes(place.read_bytes()[:100])
    assert torch.equal(TeacherCache(teacher, windows).hidden(torch.arange(6)), answers)


def test_a_full_disk_is_said_in_words(
    teacher: LanguageModel, windows: torch.Tensor, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("optlab.distill.teacher_cache.os.posix_fallocate", full)
    with pytest.raises(MeasurementError, match="No space left"):
        TeacherCache(teacher, windows)
