"""Distillation as a step of a recipe: it learns, holds zeros, makes smaller students, in every family."""

from pathlib import Path

import pytest
import torch

from optlab.compression import Compressed, compress
from optlab.distill.student import evenly_spaced
from optlab.errors import RecipeError
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.tiny import CAUSAL, tiny_model_folder

TEXT = "the dog ate the fox and the fox ate the dog but the dog was quick and the fox was lazy "


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("text") / "lesson.txt"
    file.write_text(TEXT * 60)
    return str(file)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


def tiny(family: str, folder: Path) -> LanguageModel:
    return load(str(tiny_model_folder(family, folder)))


def distilled(model: LanguageModel, lesson: str, **values: object) -> Compressed:
    settings = {"steps": 30, "window": 32, "batch": 8, "learning_rate": 3e-3, **values}
    protocol = Protocol(text="bbc-news", calibration=lesson, dtype="float32", tokens=64, context=32)
    return compress(model, Recipe.from_dict({"steps": [{"distill": settings}]}), protocol)


def divergence(teacher: LanguageModel, student: LanguageModel) -> float:
    """Mean KL(teacher || student) in nats on the lesson."""
    ids = torch.tensor([teacher.tokenizer.encode(TEXT)[:40]])
    with torch.inference_mode():
        p, q = (m.logits(ids).double().log_softmax(-1) for m in (teacher, student))
    return float((p.exp() * (p - q)).sum(-1).mean())


@pytest.mark.parametrize("family", CAUSAL)
def test_a_student_with_fewer_blocks_learns_from_its_teacher(family: str, tmp_path: Path, lesson: str) -> None:
    teacher = tiny(family, tmp_path)
    untrained = distilled(teacher, lesson, student_layers=1, alpha=0.0, steps=1, learning_rate=1e-7)
    trained = distilled(teacher, lesson, student_layers=1, alpha=0.0, steps=60)
    assert len(trained.model.blocks()) == 1
    before, after = divergence(teacher, untrained.model), divergence(teacher, trained.model)
    assert after < 0.7 * before


def test_the_teacher_is_not_changed(tmp_path: Path, lesson: str) -> None:
    teacher = tiny("llama", tmp_path)
    before = {name: p.detach().clone() for name, p in teacher.module.named_parameters()}
    distilled(teacher, lesson, student_layers=1)
    assert len(teacher.blocks()) == 2
    assert all(torch.equal(before[name], p) for name, p in teacher.module.named_parameters())


def test_pruned_weights_stay_zero_and_the_loss_is_recovered(tmp_path: Path, lesson: str) -> None:
    teacher = tiny("llama", tmp_path)
    protocol = Protocol(text="bbc-news", calibration=lesson, dtype="float32", tokens=64, context=32)
    prune = {"prune": {"sparsity": 0.6}}
    repair = {"distill": {"steps": 60, "window": 32, "batch": 8, "learning_rate": 3e-3, "alpha": 0.0}}
    pruned = compress(teacher, Recipe.from_dict({"steps": [prune]}), protocol)
    repaired = compress(teacher, Recipe.from_dict({"steps": [prune, repair]}), protocol)
    for name in teacher.linear_names():
        zeros = pruned.model.weight(name) == 0
        assert zeros.float().mean() == pytest.approx(0.6, abs=0.01)
        assert (repaired.model.weight(name)[zeros] == 0).all()
    assert divergence(teacher, repaired.model) < 0.7 * divergence(teacher, pruned.model)


def test_alpha_one_ignores_the_teacher_and_its_temperature(tmp_path: Path, lesson: str) -> None:
    teacher = tiny("llama", tmp_path)
    cold, warm = (
        distilled(teacher, lesson, alpha=1.0, temperature=t, student_layers=1, steps=5).model for t in (1.0, 9.0)
    )
    pairs = zip(cold.module.parameters(), warm.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("blocks", "keep", "kept"), [(6, 3, [0, 2, 5]), (6, 6, [0, 1, 2, 3, 4, 5]), (30, 1, [0])])
def test_kept_blocks_are_evenly_spaced(blocks: int, keep: int, kept: list[int]) -> None:
    assert evenly_spaced(blocks, keep) == kept


def test_a_student_deeper_than_its_teacher_is_refused(tmp_path: Path, lesson: str) -> None:
    with pytest.raises(RecipeError, match="a student of 3 blocks cannot be made from 2; use 1 to 2"):
        distilled(tiny("llama", tmp_path), lesson, student_layers=3)


@pytest.mark.parametrize(
    ("loss", "family"),
    [(loss, family) for loss in ("reverse_kl", "jensen_shannon", "hidden_mse") for family in ("llama", "gpt2")]
    + [("attention", "qwen2")],
)
def test_every_loss_teaches_a_shallow_student(loss: str, family: str, tmp_path: Path, lesson: str) -> None:
    teacher = tiny(family, tmp_path)
    start = distilled(teacher, lesson, loss=loss, student_layers=1, alpha=0.0, steps=1, learning_rate=1e-7)
    trained = distilled(teacher, lesson, loss=loss, student_layers=1, alpha=0.0, steps=60)
    assert divergence(teacher, trained.model) < 0.8 * divergence(teacher, start.model)
    hooks = sum(len(module._forward_hooks) for module in trained.model.module.modules())
    assert hooks == 0, "nothing may listen to the model after training"
