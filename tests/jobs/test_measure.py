"""A measurement tells each figure when it is known, and ends with the figures that it told."""

from __future__ import annotations

import pytest

from optlab.errors import Cancelled
from optlab.i18n import said
from optlab.jobs import compressed_cache, durations
from optlab.jobs.measure import measure
from optlab.jobs.measure_plan import plan
from optlab.jobs.resolution import settled
from optlab.models.describe import describe
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasurementSoFar

RECIPE = Recipe.from_dict({"steps": [{"quantize": {"method": "rtn", "bits": 3, "group_size": 16}}]})
LEARNING = "collecting calibration statistics"


@pytest.mark.slow
def test_texts_are_read_in_one_precision_and_tokens_written_in_another(model: str, protocol: Protocol) -> None:
    both = measure(model, RECIPE, protocol)
    apart = measure(model, RECIPE, protocol.model_copy(update={"decode_dtype": "bfloat16"}))
    assert apart.latency is not None and both.latency is not None
    assert "bfloat16" in said(apart.latency.base.path) and "float32" in said(both.latency.base.path)
    assert "bfloat16" in said(apart.latency.candidate.path)
    assert (apart.dtype, apart.baseline.ppl, apart.delta.nll) == ("float32", both.baseline.ppl, both.delta.nll)


def test_size_then_perplexity_then_latency_and_the_calibration_text_last(model: str, protocol: Protocol) -> None:
    told: list[tuple[str, MeasurementSoFar | None]] = []

    def note(fraction: float, message: str, partial: object = None) -> None:
        assert partial is None or isinstance(partial, MeasurementSoFar)
        told.append((said(message), partial))

    found = measure(model, RECIPE, protocol, note)
    known = [partial for _, partial in told if partial is not None]
    first = {
        "size": next(place for place, one in enumerate(known) if one.size_candidate is not None),
        "perplexity": next(place for place, one in enumerate(known) if one.quality is not None),
        "its end": next(place for place, one in enumerate(known) if one.quality_done),
        "latency": next(place for place, one in enumerate(known) if one.latency is not None),
    }
    assert sorted(first, key=first.__getitem__) == list(first)
    assert known[first["perplexity"]].quality.windows_done == 16  # type: ignore[union-attr]  # of 32
    learning = [place for place, (message, _) in enumerate(told) if message.startswith(LEARNING)]
    assert learning
    assert learning[0] > max(place for place, (_, partial) in enumerate(told) if partial is not None)

    last = known[-1]
    assert last.quality is not None
    assert (last.size_base, last.size_candidate) == (found.baseline.size_bytes, found.compressed.size_bytes)
    assert last.quality.ppl_base == pytest.approx(found.baseline.ppl, rel=1e-12)  # summed in another order
    assert last.quality.ppl_ratio == pytest.approx(found.delta.ppl_ratio, rel=1e-12)
    assert last.quality.ppl_ratio_ci95 == pytest.approx(found.delta.ppl_ratio_ci95, rel=1e-12)
    assert last.latency == found.latency
    assert (last.decode_speedup, last.decode_speedup_ci95) == (
        found.delta.decode_speedup,
        found.delta.decode_speedup_ci95,
    )
    assert all(layer.output_error is not None for layer in found.layers)


def test_a_measurement_stopped_before_its_report_on_layers_goes_on_from_the_file(
    model: str, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(fraction: float, message: str, partial: object = None) -> None:
        if said(message).startswith(LEARNING):
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        measure(model, RECIPE, protocol, stop)
    monkeypatch.setattr("optlab.compression.apply", None)  # nothing is compressed again
    found = measure(model, RECIPE, protocol)
    assert all(layer.output_error is not None for layer in found.layers)
    monkeypatch.setattr(compressed_cache, "reported", lambda *asked: None)  # nor is anything compared again
    assert measure(model, RECIPE, protocol).layers == found.layers


def test_what_a_measurement_took_is_learned_and_told_as_time_left(model: str, protocol: Protocol) -> None:
    estimates: list[float] = []
    fractions: list[float] = []

    class Watched:
        def left(self, seconds: float) -> None:
            estimates.append(seconds)

        def __call__(self, fraction: float, message: str, partial: object = None) -> None:
            fractions.append(fraction)

    measure(model, RECIPE, protocol, Watched())
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert estimates and estimates[-1] < estimates[0]
    parts = plan(RECIPE, settled(model, protocol), describe(model), durations.load())
    known = durations.load()
    for name, work in parts.items():
        assert known.done_before(work) or name in ("compress", "quality", "memory", "layers")  # these are now repeated
        assert known.expected(work)
