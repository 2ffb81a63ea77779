"""Specs and results: what is written is read again, what is broken says where, and older writing is upgraded."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.document import Document, Part, UnreadableError
from optlab.results.generation import GenerateSpec, Generation
from optlab.results.latency_grid import LatencyGrid, LatencyGridSoFar, LatencyGridSpec
from optlab.results.layer_inspection import LayerInspection, LayerInspectionSpec
from optlab.results.measurement import Delta, Measurement, MeasurementSoFar, MeasureSpec, Side
from optlab.results.model import HeadImportance, ImportanceSpec, PrepareSpec, Probed, ProbeSpec
from optlab.results.prediction import Predicted
from optlab.results.recipe import UnknownRecipe
from optlab.results.sweep import Sweep, SweepSpec
from optlab.results.tasks import TaskResult, TasksSpec
from optlab.results.temperature_lab import TemperatureLab, TemperatureLabSpec

DOCUMENTS: list[type[Document]] = [
    MeasureSpec, Measurement, MeasurementSoFar, Predicted, GenerateSpec, Generation, LayerInspectionSpec,
    LayerInspection, LatencyGridSpec, LatencyGrid, LatencyGridSoFar, TasksSpec, TaskResult, TemperatureLabSpec,
    TemperatureLab, SweepSpec, Sweep, ImportanceSpec, HeadImportance, ProbeSpec, Probed, PrepareSpec,
]  # fmt: skip
FOUR = Recipe.of(Step("quantize", "rtn", {"bits": 4, "group_size": 64}))
FORGOTTEN = {"steps": [{"quantize": {"method": "forgotten", "bits": 4}}]}

st.register_type_strategy(Recipe, st.sampled_from([Recipe(), FOUR]))
st.register_type_strategy(UnknownRecipe, st.just(UnknownRecipe(json.dumps(FORGOTTEN["steps"], sort_keys=True), "no")))
st.register_type_strategy(
    Protocol, st.builds(Protocol.model_construct, tokens=st.integers(64, 9_999), seed=st.integers(0, 99)).map(
        lambda one: Protocol.model_validate(one.model_dump())))  # fmt: skip


def parts(kind: type[Part] = Part) -> list[type[Part]]:
    """Every type of a document or of a group in one."""
    return [one for direct in kind.__subclasses__() for one in (direct, *parts(direct))]


for part in parts():  # all fields, those with a default too
    st.register_type_strategy(part, st.builds(part, **dict.fromkeys(part.model_fields, ...)))  # type: ignore[arg-type]


def measurement(**changes: Any) -> Measurement:
    side = Side(ppl=20.0, bits_per_byte=1.9, size_bytes=1_000)
    values: dict[str, Any] = {
        "model": "nano", "recipe": FOUR, "text": "shakespeare", "tokens": 8192, "context": 512, "device": "cpu",
        "dtype": "float32", "baseline": side, "compressed": side, "windows": 16,
        "delta": Delta(nll=0.1, ppl_ratio=1.1, kl_mean=0.01, kl_p99=0.2, top1_agreement=0.9),
    }  # fmt: skip
    return Measurement(**values | changes)


@pytest.mark.filterwarnings("ignore:Ignoring unsupported Strict")
@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_document_is_read_as_it_was_written(kind: type[Document], data: st.DataObject) -> None:
    written = data.draw(st.from_type(kind))
    text = written.to_json()
    assert text.isascii() and json.loads(text)["version"] == kind.version
    assert kind.from_json(text).to_json() == text  # NaN is not equal to itself, its JSON is


def test_infinities_of_a_broken_model_survive() -> None:
    broken = measurement(baseline=Side(ppl=math.inf, bits_per_byte=math.nan, size_bytes=1))
    found = Measurement.from_json(broken.to_json())
    assert found.baseline.ppl == math.inf and math.isnan(found.baseline.bits_per_byte)


def test_half_a_surrogate_pair_loses_no_run() -> None:
    found = Measurement.from_json(measurement(text="half \ud800 a pair").to_json())
    assert found.text == "half ? a pair"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens", -1), ("tokens", True), ("tokens", 3.5), ("tokens", 10**40), ("windows", "16"), ("text", "x" * 5000),
        ("delta", {"nll": "0.1"}), ("recipe", {"steps": 3}), ("recipe", "rtn"), ("model", ""), ("layers", {}),
        ("stopped_early", 1), ("kld_max", 3.2),
    ],
)  # fmt: skip
def test_what_no_worker_writes_is_refused_with_the_name_of_the_field(field: str, value: Any) -> None:
    data = json.loads(measurement().to_json()) | {field: value}
    with pytest.raises(UnreadableError, match=field):
        Measurement.from_dict(data)


@pytest.mark.parametrize("text", ["", "[1]", "null", '{"version": 99}', '{"version": "1"}', "[" * 100_000])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        Measurement.from_json(text)


def test_an_interval_has_two_numbers() -> None:
    data = measurement().to_dict()
    data["delta"]["nll_ci95"] = [0.1, 0.2, 0.3]
    with pytest.raises(UnreadableError, match="nll_ci95"):
        Measurement.from_dict(data)


def test_documents_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        measurement().delta.nll = 0.0  # type: ignore[misc]


def test_a_recipe_of_another_version_is_kept_and_never_taken_for_the_original() -> None:
    data = measurement().to_dict() | {"recipe": FORGOTTEN}
    found = Measurement.from_dict(data)
    assert isinstance(found.recipe, UnknownRecipe) and "forgotten" in found.recipe.reason
    assert found.to_dict()["recipe"] == FORGOTTEN
    assert Measurement.from_json(found.to_json()).recipe.content_hash == found.recipe.content_hash


def test_the_contract_of_the_command_line_is_the_measurement() -> None:
    """The fields of shared/design.md, and those that came to them since."""
    printed = measurement().to_dict()
    contract = ["model", "recipe", "text", "tokens", "context", "device", "dtype", "seed", "versions", "baseline",
                "compressed", "delta", "layers", "seconds"]  # fmt: skip
    assert [name for name in printed if name in contract] == contract and "version" not in printed
    assert {"ppl", "bits_per_byte", "size_bytes", "decode_ms_per_token", "prefill_tokens_per_s",
            "peak_rss_bytes"} <= set(printed["baseline"])  # fmt: skip
    assert {"nll", "nll_ci95", "ppl_ratio", "ppl_ratio_ci95", "kl_mean", "kl_p99",
            "top1_agreement"} <= set(printed["delta"])  # fmt: skip
    assert list(printed["seconds"]) == ["compress", "evaluate", "latency"]
