"""One sentence about a recipe: what intervals and bands hold 1 for is no change, on every page alike."""

from __future__ import annotations

import pytest

from optlab.figures import curve_tiles, verdict
from optlab.results.measurement import MeasurementSoFar, QualitySoFar
from optlab.results.prediction_table import OriginalFigures, PredictedCell
from tests.pages import samples

ORIGINAL = OriginalFigures(size_bytes=20_000_000, ppl=20.0, decode_ms=2.0)


@pytest.mark.parametrize(
    ("ratio", "interval", "said"),
    [
        (1.10, (1.05, 1.15), "10.0% worse"), (1.10, (0.99, 1.2), "no measurable loss"),
        (1.004, (1.001, 1.007), "hardly worse (0.40% worse)"), (0.98, (0.97, 0.99), "2.0% better"),
        (1.004, None, "hardly worse (0.40% worse)"),
    ],
)  # fmt: skip
def test_a_measured_loss_is_judged_by_its_interval(
    ratio: float, interval: tuple[float, float] | None, said: str
) -> None:
    result = samples.measurement(ratio, 5_000_000, 1.0, samples.quantized(4))
    result = result.model_copy(update={"delta": result.delta.model_copy(update={"ppl_ratio_ci95": interval})})
    assert verdict.measured(result) == f"4.0 x smaller, 2.0 x faster, {said}."


def test_of_a_running_measurement_only_what_is_known_is_told() -> None:
    known = MeasurementSoFar(size_base=20_000_000, size_candidate=5_000_000)
    assert verdict.in_words(known) == "4.0 x smaller"
    assert verdict.in_words(MeasurementSoFar()) == ""
    quality = QualitySoFar(
        windows_done=3, windows=16, ppl_base=20.0, ppl_candidate=21.0, nll_delta=0.05, nll_ci95=None, ppl_ratio=1.05,
        ppl_ratio_ci95=(1.04, 1.06), kl_mean=0.01, top1_agreement=0.9,
    )  # fmt: skip
    known = known.model_copy(update={"quality": quality})
    assert verdict.in_words(known) == "4.0 x smaller, 5.0% worse so far"
    assert verdict.in_words(known.model_copy(update={"quality_done": True})) == "4.0 x smaller, 5.0% worse"


def test_nothing_is_called_no_loss_before_the_whole_text_was_read() -> None:
    quality = QualitySoFar(
        windows_done=8, windows=16, ppl_base=20.0, ppl_candidate=20.1, nll_delta=0.005, nll_ci95=(-0.01, 0.02),
        ppl_ratio=1.005, ppl_ratio_ci95=(0.99, 1.02), kl_mean=0.01, top1_agreement=0.9,
    )  # fmt: skip
    assert verdict.in_words(MeasurementSoFar(quality=quality)) == "0.50% worse so far"
    assert verdict.in_words(MeasurementSoFar(quality=quality, quality_done=True)) == "no measurable loss"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (PredictedCell(size_bytes=5_000_000, nll=0.001, nll_band90=(-0.001, 0.004)),
         "4.0 x smaller, hardly any loss expected."),
        (PredictedCell(size_bytes=5_000_000, nll=0.001, nll_band90=(-0.001, 0.2)),
         "4.0 x smaller, about 0.10% worse."),
        (PredictedCell(size_bytes=20_000_000, nll=0.0), "Same size, as good as the original."),
        (PredictedCell(size_bytes=5_000_000, decode_speedup=1.3, decode_speedup_band90=(1.1, 1.5)),
         "4.0 x smaller, 1.30 x faster."),
        (PredictedCell(), ""),
    ],
)  # fmt: skip
def test_a_prediction_is_judged_by_its_band(cell: PredictedCell, said: str) -> None:
    assert verdict.predicted(cell, ORIGINAL.size_bytes) == said


def test_the_tile_of_speed_says_what_the_verdict_says() -> None:
    cell = PredictedCell(size_bytes=5_000_000, decode_speedup=1.1, decode_speedup_band90=(0.7, 1.7))
    assert "about the same speed" in verdict.predicted(cell, ORIGINAL.size_bytes)
    assert curve_tiles.predicted(cell, ORIGINAL)[2].headline == "about the same speed"
