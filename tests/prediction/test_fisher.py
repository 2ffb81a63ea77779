"""Sensitivities against what they stand for: the divergence that a small change really makes."""

from pathlib import Path

import pytest
import torch

from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.prediction.build import new_state
from optlab.prediction.fisher import SKETCH, Factors, in_groups, sensitivities
from optlab.prediction.levels import families
from optlab.prediction.singles import layer_groups, measure
from optlab.prediction.state import FamilyTable
from optlab.prediction.tables import apply
from optlab.recipes import Recipe
from tests.tiny import tiny_model_folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return load(str(tiny_model_folder("llama", tmp_path / "model")), "float32", "cpu")


def words(model: LanguageModel, windows: int) -> torch.Tensor:
    return torch.randint(4, model.description.vocabulary, (windows, 32), generator=torch.Generator().manual_seed(1))


def test_the_sketch_gives_the_full_product() -> None:
    torch.manual_seed(0)
    x, g, D = torch.randn(4000, 24), torch.randn(4000, 40), torch.randn(40, 24)
    factors = Factors(torch.zeros(24, 24), torch.zeros(40, SKETCH), torch.Generator().manual_seed(0))
    factors.add(x[:1000], g[:1000])
    factors.add(x[1000:], g[1000:])
    found = factors.settled()
    energy = g.square().sum(1, keepdim=True)
    A, G = (x * energy).T @ x / energy.sum(), g.T @ g / 4000
    torch.testing.assert_close(found.A, A, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.Gamma.square().sum(), G.trace(), rtol=1e-4, atol=1e-4)
    assert found.damage(D) == pytest.approx(0.5 * float((G @ D @ A * D).sum()), rel=0.05)


def test_a_small_change_diverges_by_its_predicted_damage(model: LanguageModel) -> None:
    ids = words(model, 48)
    found = next(sensitivities(model, list(ids.split(16))))
    assert set(found) == set(model.linear_names())
    before = model.logits(ids).log_softmax(-1).detach()
    generator = torch.Generator().manual_seed(3)
    predicted = measured = 0.0
    for name in model.linear_names():
        W = model.weight(name).clone()
        D = 0.02 * W.std() * torch.randn(W.shape, generator=generator)
        model.set_weight(name, W + D)
        after = model.logits(ids).log_softmax(-1).detach()
        model.set_weight(name, W)
        predicted += found[name].damage(D)
        measured += float((before.exp() * (before - after)).sum(-1).mean())
    assert measured > 1e-6
    assert predicted == pytest.approx(measured, rel=0.5)


def test_the_model_is_as_it_was_afterwards(model: LanguageModel) -> None:
    before = {name: (p.detach().clone(), p.requires_grad) for name, p in model.module.named_parameters()}
    next(sensitivities(model, [words(model, 2)]))
    for name, parameter in model.module.named_parameters():
        assert torch.equal(parameter, before[name][0]) and parameter.requires_grad == before[name][1]
        assert parameter.grad is None


def test_a_large_model_is_done_in_groups_of_layers(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = next(sensitivities(model, [words(model, 2)]))
    monkeypatch.setattr("optlab.prediction.fisher.LARGEST_BYTES", 1)
    assert in_groups(model) == [[name] for name in model.linear_names()]
    parts = list(sensitivities(model, [words(model, 2)]))
    assert [list(part) for part in parts] == in_groups(model)
    for part in parts:
        for name, one in part.items():
            torch.testing.assert_close(one.A, whole[name].A)


def test_layers_that_are_measured_together_are_of_one_kind_and_the_ends_alone() -> None:
    kinds, blocks = ["q", "up"] * 30, [block for block in range(30) for _ in range(2)]
    groups = layer_groups(kinds, blocks)
    assert sorted(row for rows in groups for row in rows) == list(range(60))
    assert [0] in groups and [59] in groups
    assert all(len({kinds[row] for row in rows}) == 1 for rows in groups)


def test_layers_changed_alone_in_one_walk_diverge_as_when_each_is_measured_by_itself(model: LanguageModel) -> None:
    state = new_state(model)
    main = next(family for family in families([columns for _, columns in state.shapes]) if family.method == "rtn")
    table = state.tables[main.key] = FamilyTable.empty(main, len(state.names), [])
    table.damage[:] = 1.0
    ids, working = words(model, 1), model.clone()
    measure(state, model, working, ids, [(main, 0)], lambda: None)  # type: ignore[arg-type, return-value]
    base = model.logits(ids).log_softmax(-1)
    for rows in layer_groups(state.kinds, state.blocks):
        names = [state.names[row] for row in rows]
        apply(model, working, Recipe.of(main.step(0)), names, lambda: None)  # type: ignore[arg-type, return-value]
        divergence = float((base.exp() * (base - working.logits(ids).log_softmax(-1))).sum(-1).mean().detach())
        for name in names:
            working.set_weight(name, model.weight(name))
        assert state.corrections[0].ratio[rows[0]] == pytest.approx(divergence / len(rows), rel=1e-3)
