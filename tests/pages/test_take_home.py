"""A measured model is offered as a file: asking for it is a run, and a file that is gone is offered anew."""

from __future__ import annotations

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from optlab import paths
from optlab.client.client import Client
from optlab.exports.formats import FORMATS
from optlab.jobs.measure import MEASURE
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.export import Export, Figures
from tests.pages import samples
from tests.pages.conftest import open_page, well, words


def offered(app: AppTest) -> list[str]:
    return [button.label for button in app.button if " for " in button.label]


def test_a_measured_recipe_is_offered_in_every_format_and_a_click_asks_for_it(prepared: Client) -> None:
    run = samples.measured(prepared, 4)
    result = MEASURE.result_of(run)
    assert result is not None
    app = open_page("explore", shown="Recipe and export", recipe=samples.as_link(4))
    assert offered(app) == [f"{kind.label} for {kind.program}" for kind in FORMATS.values()]
    well(next(button for button in app.button if button.label == "GGUF for llama.cpp").click().run())
    (asked,) = prepared.store.list("export")
    assert samples.asked(asked).format == "gguf"
    assert samples.asked(asked).recipe == samples.asked(run).recipe
    assert samples.asked(asked).figures == Figures.of(result)
    assert len(offered(app)) == len(FORMATS) - 1


def test_a_format_that_cannot_say_the_recipe_is_not_offered_and_says_why(prepared: Client) -> None:
    recipe = Recipe.of(Step("quantize", "dynamic", {}))
    samples.finish(
        prepared, prepared.submit_measure("nano", recipe, Protocol()), samples.measurement(1.1, 4_000_000, 1.0, recipe)
    )
    app = open_page("explore", shown="Recipe and export", recipe=json.dumps(recipe.to_dict()["steps"]))
    assert offered(app) == ["safetensors for transformers"]
    assert words(app).count("cannot say that activations are rounded") == 2


def test_a_written_file_is_saved_by_its_address_and_offered_anew_when_it_is_gone(prepared: Client) -> None:
    export = prepared.submit_export(samples.measured(prepared, 4), "gguf")
    folder: Path = paths.folder("artefacts") / "made"
    folder.mkdir()
    (folder / "a.gguf").write_bytes(b"weights")
    samples.finish(
        prepared, export,
        Export(format="gguf", file="a.gguf", size_bytes=7, sha256="beef", tensors={"Q4_1": 3}, rounding=3e-4,
               exact=False, card="", artefact=str(folder)),
    )  # fmt: skip
    app = open_page("explore", shown="Recipe and export", recipe=samples.as_link(4))
    link = next(one.proto for one in app.get("link_button"))
    assert link.url == f"/take-home/{export.id}/a.gguf"
    assert "beef" in words(app) and "0.03%" in words(app)
    assert "larger than the" not in words(app)
    (folder / "a.gguf").unlink()
    assert "GGUF for llama.cpp" in offered(open_page("explore", shown="Recipe and export", recipe=samples.as_link(4)))


def test_the_recipe_for_another_tool_is_shown_or_refused(prepared: Client) -> None:
    app = open_page("explore", shown="Recipe and export", recipe=samples.as_link(4))
    assert "QuantizationModifier" in words(app)
    choice = next(one for one in app.get("button_group") if one.key == "other_tools/tool")
    well(choice.set_value("gptqmodel").run())
    assert "GPTQModel has no counterpart of quantize rtn" in words(app)


def test_a_file_that_is_larger_than_what_was_measured_says_so(prepared: Client) -> None:
    measured = samples.measured(prepared, 4)
    result = MEASURE.result_of(measured)
    assert result is not None
    export = prepared.submit_export(measured, "gguf")
    folder = paths.folder("artefacts") / "made"
    folder.mkdir()
    (folder / "a.gguf").write_bytes(b"weights")
    samples.finish(
        prepared, export,
        Export(format="gguf", file="a.gguf", size_bytes=2 * result.compressed.size_bytes, sha256="beef",
               tensors={"F16": 3}, rounding=3e-4, exact=False, card="", artefact=str(folder)),
    )  # fmt: skip
    app = open_page("explore", shown="Recipe and export", recipe=samples.as_link(4))
    assert "It is larger than the 5.00 MB that were measured, because GGUF holds" in words(app)
