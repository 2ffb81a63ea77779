"""Taylor pruning zeroes the weights whose loss, weight by weight, changes least when they are set to zero."""

from pathlib import Path

import pytest

from optlab.calibrate.gradients import mean_abs_gradients
from optlab.errors import RecipeError
from optlab.texts import calibration_windows
from tests.compressing import calibration_file, compressed, prune, tiny
from tests.tiny import FAMILIES


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_lowest_products_of_weight_and_gradient_go(family, tmp_path):
    model = tiny(family, tmp_path)
    result = compressed(model, tmp_path, prune(method="taylor", sparsity=0.4))
    windows = calibration_windows(calibration_file(tmp_path), model.tokenizer, 512, 32)
    G = mean_abs_gradients(model, windows)
    for name in model.linear_names():
        S, gone = model.weight(name).abs() * G[name], result.model.weight(name) == 0
        assert int(gone.sum()) == round(0.4 * S.numel())
        # The file keeps three digits of a gradient.
        assert S[gone].max() <= 1.02 * S[~gone].min()


def test_fine_patterns_too_and_the_embedding_is_refused(tmp_path):
    model = tiny("llama", tmp_path)
    result = compressed(model, tmp_path, prune(method="taylor", pattern="2:4"))
    assert ((result.model.weight(model.linear_names()[0]) == 0).reshape(-1, 4).sum(1) == 2).all()
    with pytest.raises(RecipeError, match="use wanda there"):
        compressed(model, tmp_path, prune("model.embed_tokens", method="taylor"))
