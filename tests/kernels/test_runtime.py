"""The decode loop writes the text that the model itself would write, packed or not, in every family."""

import pytest
import torch

from optlab.compression import Compressed
from optlab.errors import MeasurementError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.generate import generate
from optlab.kernels.runtime import runtime
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.recipes import Recipe
from tests.tiny import CAUSAL, FAMILIES, OWN, tiny_model_folder

PROMPT = [5, 9, 2, 30, 11, 7]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LanguageModel]:
    loaded = {}
    for family in FAMILIES:
        loaded[family] = load(str(tiny_model_folder(family, tmp_path_factory.mktemp(family))))
        for parameter in loaded[family].module.parameters():
            parameter.requires_grad_(False)
    return loaded


def greedy(model: LanguageModel, count: int) -> list[int]:
    """Greedy continuation by reading the whole text again for every token."""
    ids = list(PROMPT)
    for _ in range(count):
        with torch.inference_mode():
            ids.append(int(model.logits(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(PROMPT) :]


def quantized(model: LanguageModel, bits: int, zero: str) -> Compressed:
    copy, stored = model.clone(), {}
    for name in model.linear_names():
        W = model.weight(name).float()
        group = 32 if W.shape[1] % 32 == 0 else None
        stored[name] = QuantizedTensor.of(W, minmax(in_groups(W, group), bits, zero), group)
        copy.set_weight(name, stored[name].dequantize())
    return Compressed(copy, stored, [], Recipe(), 0.0)


@pytest.mark.parametrize("family", CAUSAL)
def test_greedy_text_is_that_of_the_model(family: str, models: dict[str, LanguageModel]) -> None:
    model = models[family]
    one = runtime(model, "float32")
    assert list(generate(one, PROMPT, 20)) == greedy(model, 20)
    assert list(generate(one, PROMPT, 20)) == greedy(model, 20), "a second text must not remember the first"
    assert one.path.startswith("own runtime" if family in OWN else "transformers")


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("bits", [3, 4])
def test_packed_logits_are_those_of_the_dequantized_weights(
    family: str, bits: int, models: dict[str, LanguageModel]
) -> None:
    compressed = quantized(models[family], bits, "integer")
    one = runtime(compressed, "float32")
    logits = one.prefill(PROMPT)
    with torch.inference_mode():
        expected = compressed.model.logits(torch.tensor([PROMPT]))[0, -1]
        original = models[family].logits(torch.tensor([PROMPT]))[0, -1]
        half = compressed.model.to(dtype="bfloat16").logits(torch.tensor([PROMPT]))[0, -1].float()
    error, usual = ((found - expected).norm() / expected.norm() for found in (logits, half))
    assert error < max(0.03, 2.5 * usual), "further away than bfloat16 inside the kernels explains"
    assert error < 0.5 * (original - expected).norm() / expected.norm(), "as if not packed"


def test_prefill_then_decode_equals_prefill_of_all(models: dict[str, LanguageModel]) -> None:
    one = runtime(models["llama"], "float32")
    whole = one.prefill(PROMPT)
    one.reset()
    one.prefill(PROMPT[:3])
    for token in PROMPT[3:]:
        stepwise = one.decode(token)
    torch.testing.assert_close(stepwise, whole, atol=1e-5, rtol=1e-4)


def test_sampling_is_seeded(models: dict[str, LanguageModel]) -> None:
    one = runtime(models["llama"], "float32")
    texts = [list(generate(one, PROMPT, 12, temperature=1.5, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_generation_stops_before_an_end_token(models: dict[str, LanguageModel]) -> None:
    one = runtime(models["llama"], "float32")
    text = list(generate(one, PROMPT, 12))
    assert list(generate(one, PROMPT, 12, stop=frozenset({text[4]}))) == text[: text.index(text[4])]


def test_a_masked_model_has_no_decoding(models: dict[str, LanguageModel]) -> None:
    with pytest.raises(MeasurementError, match="does not write token by token"):
        runtime(models["bert"], "float32")


def test_a_full_runtime_refuses_more_tokens(models: dict[str, LanguageModel]) -> None:
    one = runtime(models["llama"], "float32", room=8)
    one.prefill(PROMPT)
    one.decode(1)
    one.decode(1)
    with pytest.raises(ValueError, match="room for 8 tokens, 9 are needed"):
        one.decode(1)
