"""`optlab frontier` keeps its contract, and asks for what it needs in sentences."""

import json
import math
import sys
from typing import Any

import pytest

from optlab import foreground
from optlab.cli.main import main
from optlab.recipes import Recipe
from tests.prediction.states import Trusting, state


@pytest.fixture(autouse=True)
def probed(monkeypatch: pytest.MonkeyPatch) -> Trusting:
    predictor = Trusting(state())
    monkeypatch.setattr(foreground, "predictor", lambda client, model, shown, text: predictor)
    return predictor


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["optlab", "frontier", "nano", *arguments])
    return main()


def points(monkeypatch: pytest.MonkeyPatch, capsys: Any, *arguments: str) -> list[dict[str, Any]]:
    assert run(monkeypatch, *arguments, "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["points"]
    return found


def test_json_lists_points_smallest_first(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    found = points(monkeypatch, capsys, "--count", "12")
    assert 5 < len(found) <= 12
    assert [point["size_bytes"] for point in found] == sorted(point["size_bytes"] for point in found)
    for point in found:
        assert set(point) >= {"size_bytes", "nll", "nll_band90", "decode_ms_per_token", "recipe"}
        assert point["nll_band90"][0] <= point["nll"] <= point["nll_band90"][1]


def test_a_size_is_answered_with_one_recipe_that_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, probed: Trusting
) -> None:
    (found,) = points(monkeypatch, capsys, "--max-bytes", "40000")
    told = probed.predict(Recipe.from_dict(found["recipe"]))
    assert told.size_bytes == found["size_bytes"] <= 40_000
    assert told.nll == pytest.approx(found["nll"])


def test_a_limit_on_perplexity_is_answered_with_the_smallest(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (loose,) = points(monkeypatch, capsys, "--max-ppl-ratio", "2")
    (tight,) = points(monkeypatch, capsys, "--max-ppl-ratio", "1.01")
    assert math.exp(tight["nll"]) <= 1.01
    assert loose["size_bytes"] < tight["size_bytes"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--max-bytes", "10"), "smallest file"),
        (("--max-ppl-ratio", "0.5"), "use 1 or more"),
        (("--max-bytes", "1000000", "--max-ppl-ratio", "2"), "two questions"),
        (("--min-tokens-per-s", "1e12"), "or less"),
        (("--method", "nonsense"), "probe"),
    ],
)
def test_what_cannot_be_answered_is_wrong_input_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    assert run(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""


def test_words_say_that_everything_is_predicted(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert run(monkeypatch, "--max-ppl-ratio", "2") == 0
    said = capsys.readouterr().out
    assert "predicted, not measured" in said
    assert "quantize:" in said
