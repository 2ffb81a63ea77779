"""Whatever a row holds, it is shown as what it says or as unreadable: nothing that lists runs breaks over it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from optlab.advice.candidate import measured as candidates
from optlab.client import records
from optlab.errors import OptLabError
from optlab.figures import format, frames, tradeoff, verdict
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import readable, unreadable
from optlab.protocol import Protocol
from optlab.report import archive, document, incoming
from optlab.report.comparison import Comparison
from optlab.results.measurement import MeasureSpec
from optlab.store.run import Run, Status
from tests.hostile.mutations import Place, places, put
from tests.pages import samples

RECIPE = samples.quantized(4)
SPEC = json.loads(MeasureSpec(model="nano", recipe=RECIPE, protocol=Protocol()).to_json())
RESULT = json.loads(samples.measurement(1.1, 5_000_000, 1.0, RECIPE).to_json())
HOSTILE: list[Any] = [
    10**400, -(10**400), 10**30, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan, -1, 0, -0.0, 1.5, True, None, "",
    "\ud800", "half \udfff a pair", "\x00\x1b[31m", "<script>", "x" * 100_000, [], [1.0], [1.0, 2.0, 3.0], [2.0, 1.0],
    [math.nan, math.inf], [-1e308, 1e308], {}, {"version": 1}, [[[[]]]], "NaN", "1e400",
]  # fmt: skip


def row(spec: Any, result: Any, **columns: Any) -> Run:
    run = Run(
        id=1, key="a" * 64, kind="measure", status=Status.DONE, spec_json=json.dumps(spec), title="title",
        result_json=json.dumps(result), created=1.8e9, started=1.8e9, finished=1.8e9, progress=1.0,
    )  # fmt: skip
    return replace(run, **columns)


def shown(run: Run) -> None:
    """Everything that pages, tables, report and archive make of one row beside another that is well."""
    good = replace(row(SPEC, RESULT), id=2, key="b" * 64)
    why, found = unreadable(run), readable([run, good])
    assert len(found) == (1 if why else 2)
    assert len(str(why or "")) < 3000
    table = frames.tradeoffs([records.row(one) for one in found])
    tradeoff.scatter(table).to_json()
    table.to_csv().encode()
    for one in found:
        verdict.in_words(one.result).encode()
        frames.layers_of(one.result)
        frames.figures_of(one.result)
    candidates(found)
    same = [one.run for one in found if (one.spec.model, one.result.text) == ("nano", "shakespeare")]
    document.html(Comparison.of(same)).encode()
    packed = archive.write([run, good])
    assert len(archive.read(packed)[0]) in (1, 2)


mutated = st.lists(st.tuples(st.sampled_from(places(RESULT)), st.sampled_from(HOSTILE)), min_size=1, max_size=2)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=mutated)
@example(changes=[(("delta", "nll_ci95"), [1.0, 2.0, 3.0])])
@example(changes=[(("baseline", "ppl"), 10**400)])
@example(changes=[(("text",), "\ud800")])
@example(changes=[(("layers",), 1.5)])
def test_no_result_breaks_what_shows_it(changes: list[tuple[Place, Any]]) -> None:
    result: Any = RESULT
    for place, value in changes:
        try:
            result = put(result, place, value)
        except (KeyError, IndexError, TypeError, AttributeError):  # the first change took that place away
            continue
    shown(row(SPEC, result))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(places(SPEC)), value=st.sampled_from(HOSTILE))
def test_no_spec_breaks_what_shows_it(place: Place, value: Any) -> None:
    shown(row(put(SPEC, place, value), RESULT))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cut=st.integers(0, 4000), junk=st.text(max_size=20), column=st.sampled_from(["spec_json", "result_json"]))
def test_no_text_breaks_what_shows_it(cut: int, junk: str, column: str) -> None:
    run = row(SPEC, RESULT)
    shown(replace(run, **{column: getattr(run, column)[:cut] + junk}))


@pytest.mark.parametrize("when", [None, 0.0, -1e18, 1e18, 1e300, math.inf, -math.inf, math.nan])
def test_no_date_breaks_what_shows_it(when: float | None) -> None:
    shown(row(SPEC, RESULT, created=when or 0.0, started=when, finished=when))
    format.moment(when)
    format.clock(when or 0.0)
    row(SPEC, RESULT, started=when, finished=when).elapsed()
    format.duration(row(SPEC, RESULT, started=0.0, finished=when).elapsed() or 0.0)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(places(RESULT)), value=st.sampled_from(HOSTILE))
def test_an_archive_takes_a_row_or_names_its_line(place: Place, value: Any) -> None:
    told = {
        "key": "c" * 64, "kind": "measure", "title": "t", "spec": SPEC, "result": put(RESULT, place, value),
        "created": 1.0, "started": 1.0, "finished": 2.0, "attempts": 1,
    }  # fmt: skip
    try:
        taken, said = incoming.run(told, "line 1"), "line 1"
    except OptLabError as error:
        taken, said = None, str(error)
    assert said.startswith("line 1") and len(said) < 3000
    assert taken is None or MEASURE.result_of(taken) is not None
