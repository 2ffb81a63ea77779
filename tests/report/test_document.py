"""A report shows the store's figures, loads nothing, and lets no name become markup."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.figures import format
from optlab.figures.frames import figures_of
from optlab.i18n import said, use
from optlab.jobs.measure import MEASURE
from optlab.jobs.measured import readable
from optlab.messages import say
from optlab.recipes import Recipe, Step
from optlab.report import words
from optlab.report.comparison import Comparison, chosen
from optlab.report.document import html
from optlab.report.links import ADDRESS
from optlab.report.tables import as_csv
from optlab.results.measurement import Measurement, MeasureSpec
from optlab.results.tasks import Difference, Side, TaskResult
from optlab.store.run import Run
from tests.pages import samples

LOADING = {"src", "srcset", "href", "data", "poster", "action", "background", "xlink:href"}


class Reader(HTMLParser):
    """Every element, every address, the text of scripts, and what a person reads."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[tuple[str, str]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.shown: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [(tag, value or "") for name, value in attributes if name in LOADING]
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attributes), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside != "style":
            self.shown.append(data)


def read(runs: list[Run]) -> Reader:
    reader = Reader()
    reader.feed(html(Comparison.of(runs)))
    return reader


@pytest.fixture
def runs(client: Client) -> list[Run]:
    for bits in samples.MEASURED:
        samples.measured(client, bits)
    return client.store.list("measure", "done")


def saying(run: Run, **changes: Any) -> Run:
    """The run with other fields in its result."""
    result = MEASURE.result_of(run)
    assert result is not None
    return replace(run, result_json=result.model_copy(update=changes).to_json())


def test_it_shows_the_figures_of_the_store(runs: list[Run]) -> None:
    reader = read(runs)
    text = " ".join(reader.shown)
    for ratio, size, decode_ms in samples.MEASURED.values():
        assert format.number(20.0 * ratio) in text
        assert format.megabytes(size) in text
        assert decode_ms is None or format.milliseconds(decode_ms) in text
    assert format.not_measured() in text  # the latency of two bits
    (data,) = [json.loads(body) for attributes, body in reader.scripts if attributes.get("id") == "optlab-report"]
    assert [one["run"] for one in data["runs"]] == [run.id for run in runs]
    for one, run in zip(data["runs"], runs, strict=True):
        result = MEASURE.result_of(run)
        assert result is not None
        assert Measurement.from_dict({"version": 1, **one["result"]}) == result.model_copy(update={"artefact": None})


def test_it_begins_with_a_decision_and_its_rule(runs: list[Run]) -> None:
    shown = " ".join(read(runs).shown)
    # 8 bits lose 0.2%, 4 bits 10%, 2 bits are 45 times worse
    two, eight, four = (run.id for run in runs)  # the newest first
    assert f"Ship #{eight} rtn 8 bits, group 64" in shown
    assert shown.index("Ship #") < shown.index("Original and candidates") < shown.index("Evidence")
    assert "at most 5% worse" in shown
    assert f"#{four} rtn 4 bits, group 64: 10.0% worse" in shown
    assert f"#{two} rtn 2 bits, group 64: 45 x worse" in shown
    assert html(Comparison.of(runs)).count('class="badge"') == 1


def test_each_word_is_explained_once(runs: list[Run]) -> None:
    for _, meaning in words.meanings():
        assert read(runs).shown.count(meaning) == 1


def test_each_run_has_a_strip_of_what_was_stored(runs: list[Run]) -> None:
    page = html(Comparison.of(runs))
    (run, *_) = readable(runs)
    assert page.count('role="img" aria-label="Bits and zeros of 14 layers"') == len(runs)
    for layer in run.result.layers:
        assert page.count(f'title="{layer.name}, 4.5 bits, 2% zeros"') == len(runs)


def test_it_loads_nothing(runs: list[Run]) -> None:
    reader = read(runs)
    elsewhere = [one for one in reader.addresses if not one[1].startswith("data:")]
    assert {tag for tag, _ in elsewhere} == {"a"}
    assert all(address.startswith(f"{ADDRESS}/explore?") for _, address in elsewhere)
    assert len(elsewhere) == len(runs)
    assert not {"link", "img", "iframe", "object", "embed"} & set(reader.elements)
    styles = html(Comparison.of(runs)).split("<style>")[1].split("</style>")[0]
    assert "url(" not in styles and "@import" not in styles


def test_plotly_is_inside_once(runs: list[Run]) -> None:
    libraries = [body for _, body in read(runs).scripts if len(body) > 1_000_000]
    assert len(libraries) == 1


def test_a_name_never_becomes_markup(client: Client, runs: list[Run]) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    recipe = Recipe.of(Step("quantize", "rtn", {"bits": 4}, layers="model|<script>alert[(]1[)]</script>"))
    result = MEASURE.result_of(runs[0])
    assert result is not None
    environment = result.environment.model_copy(update={"processor": evil})
    spec = MEASURE.spec_of(runs[0]).model_copy(update={"recipe": recipe})
    honest = read([saying(runs[0], checkpoint_note="a note")])
    forged = read([replace(saying(runs[0], checkpoint_note=evil, environment=environment), spec_json=spec.to_json())])
    assert forged.elements == honest.elements
    assert evil in forged.shown


def test_only_what_compares_is_compared(client: Client, runs: list[Run]) -> None:
    other = replace(saying(runs[0], text="bbc-news"), id=99)
    with pytest.raises(OptLabError, match="different texts are not comparable"):
        Comparison.of([runs[0], other])
    assert [one.run for one in chosen(readable([other, *runs]))] == [other]
    assert [one.run for one in chosen(readable([other, *runs]), text="shakespeare")] == runs
    with pytest.raises(OptLabError, match="measure something first"):
        Comparison(tuple(chosen([])))


def test_a_recipe_of_another_version_is_reported_without_its_line(runs: list[Run]) -> None:
    spec = MEASURE.spec_of(runs[0]).to_dict() | {"recipe": {"steps": [{"quantize": {"method": "forgotten"}}]}}
    found = Comparison.of([replace(runs[0], spec_json=MeasureSpec.from_dict(spec).to_json())])
    assert found.to_dict()["runs"][0]["command"] is None
    assert "forgotten" not in html(found).split('id="optlab-report"')[0]


def test_no_figure_is_shown_as_the_structure_it_is_kept_in(runs: list[Run]) -> None:
    shown = read(runs).shown
    assert "20 \N{PLUS-MINUS SIGN} 0.4" in shown  # an estimate with its standard error
    structures = ("{'", "['", "Estimate(", "namespace(", "=None")
    assert not [text for text in shown if any(sign in text for sign in structures)]
    for run in readable(runs):
        table = as_csv(figures_of(run.result))
        assert "details: ppl_base,,20" in table
        assert not any(sign in table for sign in structures)


def test_notes_are_in_the_language_of_the_reader(runs: list[Run]) -> None:
    note = say("{form} has no kernel: timed as dense 16-bit numbers", form="nf4")
    (run,) = readable([runs[-1]])
    assert run.result.latency is not None
    sides = {
        name: side.model_copy(update={"notes": (note,)})
        for name, side in (("base", run.result.latency.base), ("candidate", run.result.latency.candidate))
    }
    changed = saying(run.run, latency=run.result.latency.model_copy(update=sides), checkpoint_note=note)
    (read_again,) = readable([changed])
    assert words.notes(read_again.result) == [note]  # once, though both sides have it
    assert note in read([changed]).shown
    use("zh")
    try:
        chinese, shown = said(note), read([changed]).shown
    finally:
        use("en")
    assert chinese != note
    assert chinese in shown
    assert not [text for text in shown if note in text]


def test_tasks_that_were_asked_are_a_table_of_differences(client: Client) -> None:
    (run,) = readable([samples.measured(client, 4)])
    result = TaskResult(questions=80, chance=0.25, base=Side(score=0.5, ci95=(0.4, 0.6)),
                        candidate=Side(score=0.4, ci95=(0.3, 0.5)),
                        delta=Difference(score=-0.1, ci95=(-0.15, -0.05), lost=9, won=1))  # fmt: skip
    page = html(Comparison((run,), asked={run.id: {"piqa": result}}))
    assert "PIQA" in page and "-10.0 points (-15.0 ... -5.0)" in page
    data = Comparison((run,), asked={run.id: {"piqa": result}}).to_dict()
    assert data["runs"][0]["tasks"]["piqa"]["delta"]["lost"] == 9
    assert "Real work" not in html(Comparison((run,)))
