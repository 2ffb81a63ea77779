"""One file to send: everything inside, nothing asked for, and every figure as the predictor has it."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from optlab import i18n
from optlab.client.client import Client
from optlab.errors import ModelError, RecipeError
from optlab.knobs import KnobbedRecipe, Knobs
from optlab.prediction.state import place_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.report import ahead, document, page
from optlab.report.comparison import Comparison
from optlab.report.document import POLICY
from tests.pages import samples
from tests.probed_client import probed_client


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return probed_client(tmp_path, monkeypatch)


def drawn(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="optlab-curve">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_every_stop_holds_what_the_predictor_says(client: Client) -> None:
    table = drawn(page.of(client, "nano", samples.quantized(4, 32)))
    predictor = client.predictor("nano", Protocol())
    knobbed = KnobbedRecipe.of(samples.quantized(4, 32), samples.description())
    assert predictor is not None and knobbed is not None
    stops = [(one["value"], two["value"]) for one in table["bits"]["stops"] for two in table["sparsity"]["stops"]]
    assert len(stops) == len(table["cells"]) == 8 * 20
    for (bits, sparsity), cell in zip(stops, table["cells"], strict=True):
        told = predictor.predict(knobbed.recipe(Knobs(bits, sparsity)))
        if told.ppl_ratio is None or told.ppl_ratio_band90 is None:
            assert cell["point"] is None and cell["reason"]
            continue
        assert cell["point"]["size"] == told.size_bytes
        assert cell["point"]["ratio"] == pytest.approx(told.ppl_ratio, rel=1e-12)
        assert (cell["point"]["low"], cell["point"]["high"]) == pytest.approx(told.ppl_ratio_band90, rel=1e-12)
        assert cell["tiles"][0]["value"] == cell["point"]["ratio"]


def test_it_begins_where_the_recipe_is_and_says_of_what_it_speaks(client: Client) -> None:
    recipe = Recipe.of(Step("prune", "magnitude", {"sparsity": 0.3}), *samples.quantized(3).steps)
    html = page.of(client, "nano", recipe)
    assert drawn(html)["stands"] == {"bits": 3, "sparsity": 0.3, "temperature": None}
    for word in ("nano", "shakespeare", "rtn 3 bits, group 64", "90% of the outcomes"):
        assert word in html


def test_a_measured_stop_is_blue_with_the_perplexities_themselves(client: Client) -> None:
    samples.measured(client, 4)
    cells = drawn(page.of(client, "nano", samples.quantized(4)))["cells"]
    (one,) = [cell for cell in cells if cell["side"] == "measured"]
    assert one["tiles"][0]["detail"] == "20.00 \N{RIGHTWARDS ARROW} 22.00"
    others = [cell for cell in cells if cell["side"] == "predicted"]
    assert all(cell["tiles"][0]["base"] == 20.0 for cell in others), "the original was measured with it"


def test_nothing_is_loaded_from_elsewhere(client: Client) -> None:
    html = page.of(client, "nano")
    assert POLICY in unescape(html)
    assert not re.search(r"""(src|href)=["']|@import|url\(|import\s*\(|fetch\(""", html)
    assert set(re.findall(r"https?://[\w./]+", html)) == {"http://www.w3.org/2000/svg"}, "a name space, no address"


def test_a_report_ends_with_what_other_recipes_would_cost(client: Client) -> None:
    run = samples.measured(client, 4)
    found = Comparison.of([run])
    without, with_curve = document.html(found), document.html(found, ahead.of(client, found))
    assert "optlab-curve" not in without and "but for the last chapter" not in without
    assert "but for the last chapter" in with_curve
    table = drawn(with_curve)
    assert table["stands"] == {"bits": 4, "sparsity": 0.0, "temperature": None}
    assert {cell["side"] for cell in table["cells"]} == {"measured", "predicted", "unknown"}


def test_a_report_of_a_model_that_nobody_probed_has_no_such_chapter(client: Client) -> None:
    found = Comparison.of([samples.measured(client, 4)])
    place_of("f" * 64).unlink()
    assert ahead.of(client, found) is None


def test_it_speaks_the_language_of_who_made_it(client: Client) -> None:
    i18n.use("zh")
    try:
        html = page.of(client, "nano")
    finally:
        i18n.use("en")
    assert '<html lang="zh">' in html
    assert drawn(html)["words"]["size"] == "体积"


@pytest.mark.parametrize(
    ("recipe", "error", "why"),
    [
        (Recipe.of(Step("quantize", "nf4", {})), RecipeError, "three knobs"),
        (samples.quantized(4, 128), RecipeError, "does not divide"),
    ],
    ids=["beyond the knobs", "does not fit"],
)
def test_what_cannot_be_shown_is_one_sentence(client: Client, recipe: Recipe, error: type, why: str) -> None:
    with pytest.raises(error, match=why):
        page.of(client, "nano", recipe)


def test_a_model_that_nobody_looked_at_is_one_sentence(client: Client) -> None:
    with pytest.raises(ModelError, match="not looked at"):
        page.of(client, "smollm2-135m")


def test_a_name_is_fit_for_a_file() -> None:
    assert page.About("a model/of: mine", "", "").name == "a-model-of-mine"


def test_a_page_names_a_text_and_not_where_it_lies(client: Client, tmp_path: Path) -> None:
    text = tmp_path / "a-customer" / "minutes.txt"
    text.parent.mkdir()
    text.write_text("To be, or not to be. " * 4000)
    html = page.of(client, "nano", samples.quantized(4, 32), Protocol(text=str(text)))
    assert "minutes.txt" in html and "a-customer" not in html
