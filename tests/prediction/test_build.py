"""The whole probe on nano: what it predicts is then measured, and a second call costs nothing."""

from itertools import chain
from pathlib import Path

import pytest
import torch

from optlab.errors import OptLabError
from optlab.evaluation.compare import compare
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.prediction import reference
from optlab.prediction.build import build, measured_windows, shared_out
from optlab.prediction.predictor import Predictor
from optlab.prediction.tables import apply
from optlab.progress import Progress
from optlab.recipes import Recipe, Step
from tests.tiny import tiny_model_folder


class StopError(OptLabError):
    """Raised by a progress to end the probe."""


def stopping(fraction: float) -> Progress:
    def report(done: float, message: str, partial: object = None) -> None:
        if done >= fraction:
            raise StopError(message)

    return report


@pytest.mark.slow
def test_a_probe_that_is_stopped_goes_on_and_then_predicts_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    monkeypatch.setattr("optlab.prediction.state.shipped", lambda fingerprint: None)  # as for a model nobody probed
    model = load("nano", "float32", "cpu")
    with pytest.raises(StopError):
        build(model, stopping(0.35))
    early = Predictor.load(model.fingerprint)
    recipe = Recipe.of(Step("prune", "magnitude", {"sparsity": 0.45}), Step("quantize", "rtn", {"bits": 3}))
    first = early.predict(recipe)
    assert first.nll is not None and first.nll_band90 is not None

    state = build(model)
    assert state.done
    assert build(model).anchors == state.anchors
    late = Predictor(state).predict(recipe)
    assert late.nll is not None and late.nll_band90 is not None
    assert late.nll_band90[1] - late.nll_band90[0] < first.nll_band90[1] - first.nll_band90[0]
    assert _measured(model, recipe) == pytest.approx(late.nll, rel=0.25)


def _measured(model: LanguageModel, recipe: Recipe) -> float:
    working = model.clone()
    apply(model, working, recipe, None, lambda: None)  # type: ignore[arg-type, return-value]
    return compare(model, working, list(chain.from_iterable(measured_windows(model, 512))), 512).nll_delta


def test_the_reference_finds_what_a_measurement_of_the_same_words_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(str(tiny_model_folder("llama", tmp_path / "model")), "float32", "cpu")
    changed = model.clone()
    for name in model.linear_names():
        W = model.weight(name)
        changed.set_weight(name, W + 0.1 * W.std() * torch.randn(W.shape, generator=torch.Generator().manual_seed(0)))
    ids = torch.randint(4, model.description.vocabulary, (192,)).tolist()
    windows = [ids[start : start + 64] for start in range(0, 192, 64)]
    monkeypatch.setattr(reference, "LARGEST_BYTES", 2 * 63 * model.description.vocabulary * 2)  # two of three windows
    nll, kl = reference.Reference(model, windows).compare(changed)
    measured = compare(model, changed, ids, 64)
    assert measured.kl_mean > 1e-4
    assert nll == pytest.approx(measured.nll_delta, abs=5e-4)
    assert kl == pytest.approx(measured.kl_mean, rel=0.02)


@pytest.mark.parametrize("count", [1, 4, 5, 16, 99, None])
def test_anchors_read_evenly_spread_windows_and_the_original_alone_reads_the_others(count: int | None) -> None:
    windows = [[number] for number in range(16)]
    read, others = shared_out(windows, count)
    assert sorted([*read, *others]) == windows and len(read) == min(count or 16, 16)
    gaps = [after[0] - before[0] for before, after in zip(read, [*read[1:], [16 + read[0][0]]], strict=True)]
    assert max(gaps) - min(gaps) <= 1
