"""The predicted size is that of the file which is then written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from optlab.compression import compress
from optlab.kernels.artefact import save
from optlab.models import load
from optlab.prediction.build import new_state
from optlab.prediction.fisher import Sensitivity
from optlab.prediction.levels import families
from optlab.prediction.size import file_bytes, layer_bytes, recipe_bytes
from optlab.prediction.state import State
from optlab.prediction.tables import Filler
from optlab.prediction.treatment import Outside, damage, treatment
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from tests.tiny import tiny_model_folder

WIDE = {"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 2, "num_key_value_heads": 1}


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, State]:
    folder = tmp_path_factory.mktemp("model")
    model = load(str(tiny_model_folder("llama", folder, "float16", **WIDE)), "float32", "cpu")
    state = new_state(model)
    shapes = {name: model.weight(name).shape for name in state.names}
    filler = Filler(model, model.clone(), state, lambda: None)  # type: ignore[arg-type, return-value]
    filler.start({name: Sensitivity(torch.eye(shape[1]), torch.ones(shape[0], 4)) for name, shape in shapes.items()})
    filler.gradients = tuple({name: torch.zeros(shape) for name, shape in shapes.items()} for _ in range(2))  # type: ignore[assignment]
    for family in families([columns for _, columns in state.shapes]):
        if family.method in ("magnitude", "rtn"):
            filler.fill(family)
    return model, state


def quantize(layers: str | None = None, **values: object) -> Step:
    return Step("quantize", "rtn", values, layers)  # type: ignore[arg-type]


def prune(sparsity: float, layers: str | None = None) -> Step:
    return Step("prune", "magnitude", {"sparsity": sparsity}, layers)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe.of(quantize(bits=4, group_size=32)),
        Recipe.of(quantize(bits=3, group_size=None)),
        Recipe.of(quantize(bits=7, group_size=64, symmetric=True)),
        Recipe.of(prune(0.3)),
        Recipe.of(prune(0.5)),
        Recipe.of(prune(0.8)),
        Recipe.of(prune(0.6), quantize(bits=4, group_size=32)),
        Recipe.of(prune(0.25), quantize(bits=2, group_size=64)),
        Recipe.of(prune(0.5, r".*mlp"), quantize(r".*self_attn", bits=8, group_size=32)),
    ],
    ids=lambda recipe: recipe.describe(),
)
def test_a_recipe_takes_as_many_bytes_as_predicted(
    probed: tuple[object, State], tmp_path: Path, recipe: Recipe
) -> None:
    model, state = probed
    done = treatment(state, recipe)
    found = damage(state, done)
    predicted = recipe_bytes(state, done, found)
    written = save(compress(model, recipe, Protocol(text=None)), tmp_path / "artefact")  # type: ignore[arg-type]
    assert predicted == pytest.approx(written, rel=0.005)


WORDS = r".*\b(embed_tokens|lm_head)"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe.of(quantize(".*", bits=4, group_size=32)),
        Recipe.of(quantize(bits=3, group_size=64), quantize(WORDS, bits=8, group_size=None)),
        Recipe.of(quantize(WORDS, bits=4, group_size=16, symmetric=True)),
        Recipe.of(Step("quantize", "nf4", {"group_size": 32})),
        Recipe.of(Step("quantize", "fp8", {"scale": "tensor"})),
        Recipe.of(Step("quantize", "fp8", {"scale": "group", "group_size": 32}, ".*")),
        Recipe.of(Step("quantize", "cast", {"format": "bfloat16"})),
        Recipe.of(Step("quantize", "hqq", {"bits": 3})),
        Recipe.of(Step("quantize", "dynamic", {"bits": 6})),
        Recipe.of(Step("prune", "magnitude", {"pattern": "2:4"})),
        Recipe.of(Step("prune", "magnitude", {"pattern": "4:8"}), Step("quantize", "nf4", {})),
        Recipe.of(prune(0.9), Step("quantize", "fp8", {})),
        Recipe.of(prune(0.5, ".*")),
        Recipe.of(Step("cache", "kv", {})),
    ],
    ids=lambda recipe: recipe.describe(),
)
def test_bytes_are_predicted_of_what_was_never_probed(
    probed: tuple[object, State], tmp_path: Path, recipe: Recipe
) -> None:
    model, state = probed
    done = treatment(state, recipe)
    with pytest.raises(Outside):
        damage(state, done)
    written = save(compress(model, recipe, Protocol(text=None)), tmp_path / "artefact")  # type: ignore[arg-type]
    assert recipe_bytes(state, done, None) == pytest.approx(written, rel=0.01)


def test_the_original_takes_the_bytes_of_its_own_file(probed: tuple[object, State]) -> None:
    model, state = probed
    assert file_bytes(state, {}) == pytest.approx((model.folder / "model.safetensors").stat().st_size, rel=0.005)  # type: ignore[attr-defined]
    nothing = treatment(state, Recipe())
    dense = layer_bytes(state, nothing, damage(state, nothing))
    assert dense.sum() == 2 * sum(rows * columns for rows, columns in state.shapes)


def test_a_state_comes_back_from_disk_as_it_was(probed: tuple[object, State], tmp_path: Path) -> None:
    _, state = probed
    state.save(tmp_path / "probe.safetensors")
    back = State.load(tmp_path / "probe.safetensors")
    assert back.names == state.names and back.shapes == state.shapes and back.tensors == state.tensors
    for key, table in state.tables.items():
        np.testing.assert_allclose(back.tables[key].damage, table.damage, rtol=1e-6)
        assert back.tables[key].masks == table.masks and back.tables[key].levels == table.levels
