"""The optimizer against torch's own, and the training loop against what training must do."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from optlab.errors import Cancelled
from optlab.models.optimizer import AdamW, clip_gradients, warmup_cosine
from optlab.models.train import Schedule, next_token_loss, shuffled_windows, train
from optlab.models.training_checkpoint import State, TrainingCheckpoint
from optlab.models.transformer import Config, Transformer
from optlab.progress import silent
from tests.compressing import step_of


def test_adamw_equals_torchs_on_the_same_gradients() -> None:
    torch.manual_seed(0)
    mine, theirs = nn.Linear(5, 7), nn.Linear(5, 7)
    theirs.load_state_dict(mine.state_dict())
    ours = AdamW(mine.parameters(), 1e-2, weight_decay=0.3)
    reference = torch.optim.AdamW(
        [{"params": [theirs.weight], "weight_decay": 0.3}, {"params": [theirs.bias], "weight_decay": 0.0}],
        lr=1e-2, betas=(0.9, 0.95), eps=1e-8,
    )  # fmt: skip
    for _ in range(25):
        x = torch.randn(11, 5)
        for layer in (mine, theirs):
            layer(x).pow(3).sum().backward()
        ours.step()
        reference.step()
        reference.zero_grad()
    torch.testing.assert_close(mine.weight, theirs.weight, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(mine.bias, theirs.bias, atol=1e-6, rtol=1e-5)


def test_held_weights_stay_zero_while_the_others_move() -> None:
    layer = nn.Linear(6, 6)
    mask = torch.eye(6, dtype=torch.bool)
    with torch.no_grad():
        layer.weight.mul_(mask)
    before = layer.weight.clone()
    optimizer = AdamW(layer.parameters(), 0.1)
    optimizer.hold(layer.weight, mask)
    for _ in range(3):
        layer(torch.randn(4, 6)).square().sum().backward()
        optimizer.step()
    assert (layer.weight[~mask] == 0).all()
    assert (layer.weight[mask] != before[mask]).all()


def test_clipping_leaves_the_direction_and_bounds_the_norm() -> None:
    layer = nn.Linear(3, 3)
    (layer(torch.ones(1, 3)).sum() * 1000).backward()
    before = layer.weight.grad.clone()
    norm = clip_gradients(layer.parameters(), 1.0)
    after = torch.cat([p.grad.flatten() for p in layer.parameters()]).norm()
    assert norm > 1
    assert after == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(layer.weight.grad / layer.weight.grad.norm(), before / before.norm())


def test_schedule_rises_then_falls_to_its_floor() -> None:
    rates = [warmup_cosine(step, 100, 1.0, 10) for step in range(100)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert warmup_cosine(100, 100, 1.0, 10) == pytest.approx(0.1)


def test_every_window_is_seen_once_per_epoch() -> None:
    windows = torch.arange(10)[:, None]
    batches = shuffled_windows(windows, 5, seed=3)
    for _ in range(3):
        epoch = torch.cat([next(batches), next(batches)]).flatten()
        assert sorted(epoch.tolist()) == list(range(10))


def test_training_learns_a_repeating_text_and_can_be_stopped() -> None:
    torch.manual_seed(0)
    model = Transformer(Config(16, 32, 2, 2, 1, 16, 48, 32))
    model.initialize(torch.Generator().manual_seed(0))
    windows = (torch.arange(64)[:, None] + torch.arange(24)[None]) % 16
    curve = train(
        model, shuffled_windows(windows, 8, 0), lambda ids: next_token_loss(model(ids), ids), Schedule(60, 8, 1e-2)
    )
    assert curve[0].loss == pytest.approx(2.77, abs=0.2)  # ln 16: it starts knowing nothing
    assert curve[-1].loss < 0.1

    def stop(fraction: float, message: str, partial: dict | None = None) -> None:
        if step_of(message) == 3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        train(model, shuffled_windows(windows, 8, 0), lambda ids: next_token_loss(model(ids), ids),
              Schedule(60, 8, 1e-3), stop)  # fmt: skip
    assert not model.training


class Looks:
    """A memory of one number."""

    count = 0

    def to_json(self) -> str:
        return str(self.count)

    def recall(self, text: str) -> None:
        self.count = int(text)


def same_training(training_checkpoint, progress=silent, seconds=None):
    torch.manual_seed(0)
    model = Transformer(Config(16, 32, 2, 2, 1, 16, 48, 32))
    model.initialize(torch.Generator().manual_seed(0))
    windows = (torch.arange(64)[:, None] + torch.arange(24)[None]) % 16
    memory = Looks()

    def watch(point):
        memory.count += 1
        return {}

    train(
        model, shuffled_windows(windows, 8, 0), lambda ids: next_token_loss(model(ids), ids),
        Schedule(20, 8, 1e-2, seconds=seconds), progress, watch=watch, training_checkpoint=training_checkpoint,
        memory=memory,
    )  # fmt: skip
    return model.state_dict(), memory


def stop_after(steps):
    def stop(fraction, message, partial=None):
        if step_of(message) == steps:
            raise Cancelled("stopped")

    return stop


def test_a_training_that_was_stopped_ends_exactly_like_one_that_was_not(tmp_path) -> None:
    whole, seen = same_training(None)
    for steps in (3, 11):  # stopped twice
        with pytest.raises(Cancelled):
            same_training(TrainingCheckpoint(tmp_path / "state", every_s=0.0), stop_after(steps))
    again, remembered = same_training(TrainingCheckpoint(tmp_path / "state", every_s=0.0))
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert remembered.count == seen.count == 20


def test_a_killed_training_goes_on_from_its_last_file(tmp_path) -> None:
    class Rare(TrainingCheckpoint):
        def due(self):
            return self.saves < 2

        def quick(self):
            return False  # nothing is written when it ends, as when it is killed

        saves = 0

        def save(self, module, optimizer, state):
            self.saves += 1
            super().save(module, optimizer, state)

    with pytest.raises(Cancelled):
        same_training(Rare(tmp_path / "state"), stop_after(7))
    began = []

    def first_step(fraction, message, partial=None):
        began.append(step_of(message))

    again, _ = same_training(TrainingCheckpoint(tmp_path / "state"), first_step)
    whole, _ = same_training(None)
    assert began[0] == 3
    assert all(torch.equal(again[name], whole[name]) for name in whole)


@pytest.mark.parametrize("damage", [b"", b"no safetensors", None])
def test_a_damaged_state_begins_anew(tmp_path, damage) -> None:
    training_checkpoint = TrainingCheckpoint(tmp_path / "state", every_s=0.0)
    with pytest.raises(Cancelled):
        same_training(training_checkpoint, stop_after(5))
    file = tmp_path / "state" / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    steps = []
    same_training(training_checkpoint, lambda fraction, message, partial=None: steps.append(step_of(message)))
    assert steps == list(range(1, 21))


def test_the_state_of_another_model_is_not_taken(tmp_path) -> None:
    training_checkpoint = TrainingCheckpoint(tmp_path / "state")
    small, large = torch.nn.Linear(3, 2), torch.nn.Linear(3, 4)
    training_checkpoint.save(small, AdamW(small.parameters(), 1e-3), State(steps=5, seconds=1.0))
    before = large.weight.clone()
    assert training_checkpoint.load(large, AdamW(large.parameters(), 1e-3)).steps == 0
    assert torch.equal(large.weight, before)


def test_a_full_disk_stops_no_training(tmp_path, monkeypatch) -> None:
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("optlab.models.training_checkpoint.save_file", full)
    _, memory = same_training(TrainingCheckpoint(tmp_path / "state", every_s=0.0))
    assert memory.count == 20


def test_a_limit_in_time_ends_training_with_its_learning_rate_fallen() -> None:
    schedule = Schedule(10_000, 8, 1.0, warmup=10, seconds=60.0)
    assert schedule.rate(500, 30.0) == pytest.approx(warmup_cosine(500, 1000, 1.0, 10))
    assert schedule.rate(999, 60.0) == pytest.approx(0.1, abs=0.01)
    assert schedule.done(10, 60.0) == 1.0 and schedule.done(10, 30.0) == 0.5
    _, memory = same_training(None, seconds=1e-6)
    assert memory.count == 1
