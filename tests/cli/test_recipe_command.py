"""`optlab recipe export`: one recipe in the words of another tool, which `--recipe` reads again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from optlab.cli.main import app
from optlab.errors import OptLabError
from optlab.recipes import Recipe


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["recipe", "export", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    file = tmp_path / "recipe.yaml"
    file.write_text("steps: [{quantize: {method: gptq, bits: 4, group_size: 32, symmetric: true}}]")
    return str(file)


def test_it_is_printed_or_written(recipe: str, tmp_path: Path) -> None:
    printed = run(recipe, "--for", "llm-compressor")
    assert list(yaml.safe_load(printed)) == ["optlab_stage"]
    out = tmp_path / "quantize_config.json"
    assert run(recipe, "--for", "gptqmodel", "--out", str(out)).strip() == str(out)
    assert Recipe.from_file(out) == Recipe.from_file(recipe)
    assert json.loads(run(str(out), "--for", "llm-compressor", "--json"))["text"] == printed


def test_what_cannot_be_written_is_one_sentence(recipe: str, tmp_path: Path) -> None:
    for arguments, says in (
        ((recipe, "--for", "llama-quantize"), "llama-quantize has no counterpart of quantize gptq"),
        ((recipe, "--for", "ollama"), "no recipe is written for 'ollama'"),
        ((recipe, "--for", "gptqmodel", "--out", str(tmp_path / "nowhere" / "x")), "cannot be written"),
    ):
        with pytest.raises(OptLabError, match=says):
            run(*arguments)


def test_layers_by_name_need_a_model(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("steps: [{quantize: {bits: 4, group_size: 32}, layers: '.*[.]down_proj'}]")
    written = run(str(file), "--for", "llama-quantize", "--model", "nano")
    assert written.count("--tensor-type 'blk") == 36  # nano has 6 blocks of 7 layers; 6 are of the main type
    assert written.rstrip().endswith("Q4_1")
