"""A probe that goes on where another one stopped finds what one without a break would have found."""

from pathlib import Path

import numpy as np
import pytest
import torch

from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.prediction.build import new_state
from optlab.prediction.fisher import Sensitivity
from optlab.prediction.levels import Family, families
from optlab.prediction.state import State
from optlab.prediction.tables import Filler
from tests.tiny import tiny_model_folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return load(str(tiny_model_folder("llama", tmp_path / "model")), "float32", "cpu")


def filler(model: LanguageModel, state: State) -> Filler:
    """With sensitivities that are the same each time."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name in state.names:
        rows, columns = model.weight(name).shape
        X = torch.randn(columns, 2 * columns, generator=generator)
        found[name] = Sensitivity(X @ X.T, torch.randn(rows, 16, generator=generator))

    def never() -> None:
        raise AssertionError("neither method needs statistics")

    made = Filler(model, model.clone(), state, never)  # type: ignore[arg-type]
    made.start(found)
    made.gradients = tuple(
        {name: torch.randn(model.weight(name).shape, generator=generator) for name in state.names} for _ in range(2)
    )  # type: ignore[assignment]
    return made


def test_masks_of_an_earlier_probe_are_made_again(model: LanguageModel) -> None:
    state = new_state(model)
    wanted = families([columns for _, columns in state.shapes])
    prune, quantize = (next(one for one in wanted if one.method == name) for name in ("magnitude", "rtn"))
    whole = filler(model, state)
    whole.fill(prune)
    whole.fill(quantize)

    resumed = new_state(model)
    filler(model, resumed).fill(prune)
    filler(model, resumed).fill(quantize)  # another process: what it knows of the pruning is the table
    _same(state, resumed, prune)
    _same(state, resumed, quantize)
    table = state.tables[quantize.key]
    assert table.masks
    assert (table.kept_codes < 0.9).any()


def _same(one: State, other: State, family: Family) -> None:
    for what in ("damage", "error", "left", "kept_error", "kept_codes"):
        np.testing.assert_allclose(
            getattr(one.tables[family.key], what), getattr(other.tables[family.key], what), rtol=1e-5
        )
