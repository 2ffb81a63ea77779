"""The command line of a report, parsed by the command line itself, names the very run that the report shows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from typer.testing import CliRunner

from optlab.cli.main import app
from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.report import links
from pages.components.shared import view
from tests.pages import samples

AWKWARD = Recipe.of(
    Step("prune", "wanda", {"sparsity": 0.3}, layers=r"model\.layers\.[0-9]+\.mlp\.(gate|up)_proj$"),
    Step("quantize", "rtn", {"bits": 3, "group_size": None}),
)
PROTOCOLS = (
    Protocol(),
    Protocol(tokens=1024, context=256, seed=7, dtype="float32"),
    Protocol(dtype="float32", decode_dtype="bfloat16"),
    Protocol(text="bbc-news", calibration="bbc-news", calibration_tokens=1024, latency=False, stop_below_percent=0.5),
)


@pytest.mark.parametrize("recipe", [samples.quantized(4), AWKWARD, Recipe()], ids=["plain", "awkward", "original"])
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=["usual", "short", "two precisions", "other text"])
def test_the_line_measures_the_same_run(
    client: Client, recipe: Recipe, protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = client.submit_measure("nano", recipe, protocol)
    write, command = links.reproduce(MEASURE.spec_of(run)).split(" && ")
    printf, form, content, arrow, file = shlex.split(write)
    assert (printf, form, arrow) == ("printf", "%s", ">")
    monkeypatch.chdir(tmp_path)
    Path(file).write_text(content)
    asked: list[Any] = []
    monkeypatch.setattr("optlab.foreground.measure", lambda client, *given: asked.extend(given) or run)
    monkeypatch.setattr("optlab.client.summary.in_words", str)
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "optlab"]
    result = CliRunner().invoke(app, words[3:])
    assert result.exit_code == 0, result.output
    model, parsed, settings = asked[:3]
    assert parsed.content_hash == recipe.content_hash
    found = client.find(model, parsed, settings)
    assert found is not None
    assert found.key == run.key


def test_an_address_reopens_the_view(client: Client) -> None:
    run = client.submit_measure("nano", AWKWARD, PROTOCOLS[3])
    address = urlsplit(links.address_of_run(MEASURE.spec_of(run), "http://127.0.0.1:9000/"))
    assert (address.netloc, address.path) == ("127.0.0.1:9000", "/explore")
    seen = view.read(dict(parse_qsl(address.query)))
    assert seen.problem == ""
    assert client.find(seen.model, seen.recipe, seen.protocol) == run
