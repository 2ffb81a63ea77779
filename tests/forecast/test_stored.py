"""The bytes that shapes foretell are the bytes of the file that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optlab.errors import RecipeError
from optlab.forecast.stored import layer_bytes
from optlab.kernels.artefact import save
from optlab.models.checkpoint import read_header
from optlab.recipes import Recipe
from tests.compressing import compressed, prune, quantize, tiny

STEPS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "rtn": [quantize(method="rtn", bits=4)],
    "symmetric rows": [quantize(method="rtn", bits=8, group_size=None, symmetric=True)],
    "float zero": [quantize(method="hqq", bits=3)],
    "nf4": [quantize(method="nf4")],
    "fp8": [{"quantize": {"method": "fp8"}}],
    "some layers": [quantize("model.layers.0.*", method="rtn", bits=2)],
    "head": [quantize("lm_head", method="rtn", bits=8)],
    "2:4": [prune(method="magnitude", sparsity=0.5, pattern="2:4")],
    "cache": [{"cache": {"method": "kv", "bits": 4}}],
}


@pytest.mark.parametrize("steps", STEPS)
def test_the_file_has_the_bytes_that_were_foretold(steps: str, tmp_path: Path) -> None:
    model = tiny("llama", tmp_path)
    found = compressed(model, tmp_path, *STEPS[steps])
    save(found, tmp_path / "out")
    written = sum(entry.bytes for file in (tmp_path / "out").glob("*.safetensors") for entry in read_header(file))
    assert sum(layer_bytes(model.description, found.recipe).values()) == written


@pytest.mark.parametrize(
    "step", [prune(method="magnitude", sparsity=0.5, pattern="heads"), prune(method="magnitude", scope="global")]
)
def test_what_is_decided_by_weights_is_not_foretold(step: dict[str, Any], tmp_path: Path) -> None:
    model = tiny("llama", tmp_path)
    with pytest.raises(RecipeError, match="known once it is measured"):
        layer_bytes(model.description, Recipe.from_dict({"steps": [step]}))
