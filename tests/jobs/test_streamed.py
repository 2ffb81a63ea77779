"""A model that does not fit into memory is measured block by block, with the figures of one that does."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.errors import RecipeError
from optlab.forecast.choice import VARIABLE, Room, footprint, way_of
from optlab.i18n import said
from optlab.jobs.measure import measure
from optlab.kernels.artefact import load_artefact
from optlab.models.describe import describe
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasurementSoFar

RECIPE = Recipe.from_dict({"steps": [{"quantize": {"method": "gptq", "bits": 3, "group_size": 16}}]})
TAYLOR = Recipe.from_dict({"steps": [{"prune": {"method": "taylor"}}]})


@pytest.fixture
def protocol(protocol: Protocol) -> Protocol:
    return protocol.model_copy(update={"latency": False, "device": "cpu"})


def test_the_figures_are_those_of_a_model_in_memory(
    model: str, protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "always")
    told: list[object] = []
    found = measure(model, RECIPE, protocol, lambda *report: told.extend(report[2:]), save=tmp_path / "saved")
    assert {type(one) for one in told} <= {MeasurementSoFar, type(None)}
    quality = [one.quality for one in told if isinstance(one, MeasurementSoFar) and one.quality is not None]
    assert quality[-1].windows_done == quality[-1].windows == found.windows
    assert any("OPTLAB_STREAMING asks for it" in said(note) for note in found.notes)
    assert load_artefact(tmp_path / "saved").recipe == RECIPE
    monkeypatch.setenv(VARIABLE, "never")
    # It reads the shards that the pass has written.
    again = measure(model, RECIPE, protocol)
    assert again.compressed.size_bytes == found.compressed.size_bytes
    assert again.compressed.ppl == pytest.approx(found.compressed.ppl, rel=1e-4)
    assert again.baseline.ppl == pytest.approx(found.baseline.ppl, rel=1e-4)
    assert again.delta.kl_mean == pytest.approx(found.delta.kl_mean, rel=1e-3)


def test_it_is_chosen_where_the_model_does_not_fit(
    model: str, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    description = describe(model)
    whole = footprint(RECIPE, protocol, description, "whole")
    assert way_of(RECIPE, protocol, description) == "whole"
    little = Room(whole.peak - 1, 1 << 40)
    assert way_of(RECIPE, protocol, description, little) == "blocks"
    less = Room(footprint(TAYLOR, protocol, description, "whole").peak - 1, 1 << 40)
    with pytest.raises(RecipeError) as refused:
        way_of(TAYLOR, protocol, description, less)
    assert "gradients of the whole model" in said(refused.value.message)
