"""A student's training: killed and continued, watched on words it never sees, ended early, with the teacher cached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from optlab.compression import Compressed, Context
from optlab.distill import trainer
from optlab.distill.curve import MOST_POINTS, Curve
from optlab.models.language_model import LanguageModel
from optlab.models.training_checkpoint import State, TrainingCheckpoint
from optlab.results.training import TrainingSoFar
from tests.compressing import step_of


class Killed(BaseException):
    """The process ends here: nothing gets a chance to save anything."""


class Diligent(TrainingCheckpoint):
    """Saves after every step."""

    def due(self) -> bool:
        return True


def kill_after(step: int):
    def progress(fraction, message, partial=None):
        if f"step {step}," in message:
            raise Killed

    return progress


def without_clock(done: Compressed) -> list:
    """How the trainings of `done` went, without their seconds."""
    return [
        ([point[:2] for point in one.loss], [point[:2] for point in one.held_out], one.alpha) for one in done.trainings
    ]


@pytest.mark.parametrize("loss", ["forward_kl", "hidden_mse"])
def test_a_distillation_killed_in_the_middle_ends_exactly_like_one_that_was_not(
    loss: str, teacher: LanguageModel, distil, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = distil(teacher, loss=loss)
    monkeypatch.setattr(Context, "training_checkpoint", lambda self: Diligent(self.state))
    for step in (5, 9):
        with pytest.raises(Killed):
            distil(teacher, kill_after(step), loss=loss)
    steps: list[int] = []

    def note(fraction, message, partial=None):
        steps.append(step_of(message)) if step_of(message) else None

    again = distil(teacher, note, loss=loss)
    assert steps[0] == 10, "it began behind its last file, not anew"
    pairs = zip(again.model.module.parameters(), whole.model.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert without_clock(again) == without_clock(whole)
    assert not list((home / "trainings").iterdir()), "a finished training leaves nothing behind"


def test_another_temperature_does_not_go_on_from_this_ones_state(
    teacher: LanguageModel, distil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "training_checkpoint", lambda self: Diligent(self.state))
    with pytest.raises(Killed):
        distil(teacher, kill_after(5), temperature=2.0)
    steps: list[int] = []
    distil(teacher, lambda f, m, partial=None: steps.append(step_of(m)), temperature=3.0)
    assert next(step for step in steps if step) == 1


def test_held_out_windows_are_never_trained_on(teacher: LanguageModel, distil, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: set[tuple[int, ...]] = set()
    held_out: set[tuple[int, ...]] = set()
    hidden = LanguageModel.hidden

    def spy(model: LanguageModel, ids: torch.Tensor) -> torch.Tensor:
        if len(model.blocks()) == 1:  # the student
            (learnt if torch.is_grad_enabled() else held_out).update(map(tuple, ids.tolist()))
        return hidden(model, ids)

    monkeypatch.setattr(LanguageModel, "hidden", spy)
    distil(teacher, steps=60)
    assert len(learnt) > 4 * len(held_out) > 0
    assert learnt.isdisjoint(held_out)


def test_the_curve_on_held_out_words_is_the_loss_of_the_student(
    teacher: LanguageModel, distil, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    measure = trainer.nll
    monkeypatch.setattr(trainer, "nll", lambda model, ids, batch: seen.append(ids) or measure(model, ids, batch))
    done = distil(teacher, steps=30)
    ids = seen[-1]
    with torch.inference_mode():
        log_p = done.model.logits(ids)[:, :-1].double().log_softmax(-1)
    expected = -log_p.gather(-1, ids[:, 1:, None]).mean()
    step, found, _ = done.trainings[0].held_out[-1]
    assert step == 30
    assert found == pytest.approx(float(expected), abs=2e-3)  # what is stored afterwards is rounded to the file's type
    assert len(seen) == trainer.LOOKS + 1


def test_asking_the_teacher_again_and_its_cache_teach_the_same(
    teacher: LanguageModel, distil, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = distil(teacher, alpha=0.0, temperature=4.0, steps=25)
    monkeypatch.setenv("OPTLAB_TEACHER_CACHE", "0")
    monkeypatch.setattr(trainer, "TeacherCache", None)  # calling it would fail
    asked = distil(teacher, alpha=0.0, temperature=4.0, steps=25)
    losses = [[loss for _, loss, _ in one.trainings[0].loss] for one in (cached, asked)]
    assert len(losses[0]) == 25
    assert losses[0] == pytest.approx(losses[1], rel=5e-3)


def test_training_without_progress_ends_early_when_it_should(
    teacher: LanguageModel, distil, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [distil(teacher, steps=60, patience=20).trainings[0].held_out[-1][0]]
    monkeypatch.setattr(trainer, "nll", lambda *_: 1.0)
    steps += [distil(teacher, steps=60, patience=p).trainings[0].held_out[-1][0] for p in (3, None)]
    assert steps == [60, 9, 60]  # looks at steps 1, 3, 6 and 9: three without progress


def test_a_curve_is_stuck_only_when_nothing_better_came_for_so_long() -> None:
    curve = Curve()
    for step, nll in enumerate([3.0, 2.0, 2.5, 2.1]):
        curve.hold(step, nll, 0.0)
    assert curve.stuck(2) and not curve.stuck(3)
    curve.hold(4, 1.9, 0.0)
    assert not curve.stuck(1)


def test_a_curve_goes_on_from_what_it_was_when_the_state_was_saved() -> None:
    whole, first, second = Curve(), Curve(), Curve()
    for step in range(1, 301):
        if step == 200:
            second.recall(first.to_json())
        for curve in (whole, first if step < 200 else second):
            curve.add(step, 1.0 / step, step / 10)
    second.hold(300, 0.5, 30.0)
    assert second.training().loss == whole.training().loss
    assert second.training().held_out == ((300, 0.5, 30.0),)


def test_the_state_of_a_training_from_before_states_had_types_is_read() -> None:
    told = {"every": 2, "loss": [[2, 3.5, 0.1], [4, 3.25, 0.2]], "sum": 3.0, "count": 1, "held_out": [[4, 3.4, 0.2]]}
    state = State.from_json(json.dumps({"steps": 5, "seconds": 0.25, "memory": told}))
    assert (state.steps, state.seconds) == (5, 0.25)
    curve = Curve()
    curve.recall(state.memory)
    curve.add(6, 2.0, 0.3)
    assert curve.training().loss == ((2, 3.5, 0.1), (4, 3.25, 0.2), (6, 2.5, 0.3))
    assert curve.training().held_out == ((4, 3.4, 0.2),)
    assert State.from_json(json.dumps({"steps": 5, "seconds": 0.25, "memory": {}})).memory == ""


def test_a_curve_stays_small_and_keeps_its_mean() -> None:
    curve = Curve()
    for step in range(1, 4097):
        curve.add(step, float(step), step / 10)
    points = curve.training().loss
    assert MOST_POINTS / 2 <= len(points) <= MOST_POINTS
    width = points[0][0]
    for number, (step, loss, seconds) in enumerate(points[:50]):  # the mean of a stretch, noted at its end
        assert step == (number + 1) * width and seconds == step / 10
        assert loss == step - (width - 1) / 2


def test_progress_tells_the_curves_the_speed_and_the_time_left(teacher: LanguageModel, distil) -> None:
    reports: list[TrainingSoFar] = []
    distil(teacher, lambda f, m, partial=None: reports.append(partial) if step_of(m) else None)
    last = reports[-1]
    assert len(reports) == 12 and last.left_s == 0.0
    seconds = last.training.held_out[-1].seconds
    assert last.tokens_per_s == pytest.approx(12 * 4 * 32 / seconds, rel=0.5)
