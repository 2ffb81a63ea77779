"""The model of the catalog, from the installed package, against transformers' own reading of the same GGUF."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from optlab.models import load
from optlab.models.catalog import SMOLLM2_STORAGE, locate
from optlab.models.language_model import LanguageModel

pytestmark = pytest.mark.slow
PROMPT = "In 1969, the first  humans\n\n  walked on the Moon; 12 345 people watched.\tThe capital of France is"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTLAB_HOME", str(tmp_path_factory.mktemp("home")))
        return load("smollm2-135m", "float32", "cpu")


@torch.no_grad()
def test_logits_equal_those_of_transformers_on_the_same_folder(model: LanguageModel) -> None:
    theirs = transformers.AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32)
    ids = torch.tensor([model.tokenizer.encode(PROMPT * 8)])
    assert (model.logits(ids) - theirs(ids).logits).abs().max() < 1e-3


def test_weights_equal_those_that_transformers_reads_from_the_gguf(model: LanguageModel) -> None:
    source = locate("smollm2-135m")
    assert source is not None
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32,
        quantization_config=transformers.GgufConfig(dequantize=True),
    )  # fmt: skip
    expected = dict(theirs.named_parameters())
    ours = dict(model.module.named_parameters())
    assert set(ours) == set(expected)
    for name, parameter in ours.items():
        assert torch.equal(parameter, expected[name].half().float()), name


def test_the_tokenizer_equals_the_one_that_transformers_reads(model: LanguageModel) -> None:
    source = locate("smollm2-135m")
    assert source is not None
    theirs = transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    text = "In 1969, the first humans walked on the Moon; 12,345 people's eyes = wide = open. \u00e9\u4e2d <|im_end|>"
    assert model.tokenizer._plain.encode_with_control(text).ids == theirs(text, add_special_tokens=False).input_ids
    again = transformers.AutoTokenizer.from_pretrained(model.folder)
    assert model.tokenizer.encode(PROMPT) == again(PROMPT, add_special_tokens=False).input_ids
    assert model.tokenizer.special_id("eos") == again.eos_token_id


def test_the_card_states_how_the_checkpoint_is_stored(model: LanguageModel) -> None:
    stored = json.loads((Path(model.folder) / "optlab.json").read_text())["checkpoint"]
    assert {key: stored[key] for key in SMOLLM2_STORAGE} == SMOLLM2_STORAGE
    assert model.description.parameters == 134_515_008
    assert len(model.linear_names()) == 210
