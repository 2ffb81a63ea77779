"""OWL spares the blocks with outliers, and the whole keeps the sparsity that was asked for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import RecipeError
from optlab.methods import method
from optlab.prune.allocation import SPREAD, spread
from tests.compressing import compressed, prune, tiny


@given(
    st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 1000)), min_size=1, max_size=12),
    st.floats(0.0, 0.95),
)
def test_the_mean_is_kept_the_band_too_and_outliers_save(found, sparsity):
    outliers = {b: share for b, (share, _) in enumerate(found)}
    sizes = {b: size for b, (_, size) in enumerate(found)}
    result = spread(outliers, sizes, sparsity)
    total = sum(sizes.values())
    assert sum(result[b] * sizes[b] for b in sizes) / total == pytest.approx(sparsity)
    assert max(result.values()) - min(result.values()) <= 2 * SPREAD + 1e-9
    assert all(-1e-9 <= share <= 1 for share in result.values())
    for a in sizes:
        for b in sizes:
            if outliers[a] > outliers[b]:
                assert result[a] <= result[b]


@pytest.mark.parametrize("name", ["magnitude", "wanda", "sparsegpt", "taylor", "random"])
def test_a_block_with_outliers_loses_less(name, tmp_path, monkeypatch):
    monkeypatch.setenv("OPTLAB_HOME", str(Path(tmp_path) / "home"))
    model = tiny("llama", tmp_path)
    for layer in model.linear_names():
        if ".layers.1." in layer:
            model.weight(layer)[:, 0] *= 40
    result = compressed(model, tmp_path, prune(method=name, allocation="owl", sparsity=0.5))
    zeros = {n: float((result.model.weight(n) == 0).float().mean()) for n in model.linear_names()}
    first, second = (sum(z for n, z in zeros.items() if f".layers.{i}." in n) / 7 for i in (0, 1))
    assert first - second == pytest.approx(2 * SPREAD, abs=0.03)  # whole weights per row
    sizes = {n: model.weight(n).numel() for n in zeros}
    assert sum(zeros[n] * sizes[n] for n in zeros) / sum(sizes.values()) == pytest.approx(0.5, abs=0.01)


def test_a_pattern_that_fixes_the_share_leaves_nothing_to_allocate():
    with pytest.raises(RecipeError, match="same from every layer"):
        method("prune", "wanda").check({"pattern": "2:4", "allocation": "owl"})
