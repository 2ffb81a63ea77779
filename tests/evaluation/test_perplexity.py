"""Perplexity against closed forms and against transformers' own loss."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import Cancelled, MeasurementError, ModelError, TextError
from optlab.evaluation import scoring
from optlab.evaluation.perplexity import perplexity
from tests.evaluation.fakes import TableModel, random_ids, random_model
from tests.tiny import CAUSAL, MASKED, tiny_model_folder

WIKITEXT = Path(
    os.environ.get("OPTLAB_TEST_WIKITEXT")
    or Path(__file__).resolve().parents[3] / "shared" / "data" / "wikitext-2-raw-test.txt"
)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(objective: str) -> None:
    found = perplexity(TableModel(torch.zeros(29, 29), objective), random_ids(100), 10)
    assert found.ppl == pytest.approx(29, rel=1e-6)
    assert found.nll == pytest.approx(math.log(29), rel=1e-6)


def test_a_model_that_knows_everything_has_perplexity_one() -> None:
    cycle = 1000 * torch.eye(29).roll(1, dims=1)  # after letter i comes letter i + 1
    assert perplexity(TableModel(cycle), [i % 26 for i in range(26)], 13).ppl == 1.0


def test_each_window_predicts_all_but_its_first_token_and_the_rest_is_left_out() -> None:
    found = perplexity(random_model(), random_ids(59), 10)
    assert (found.windows, found.tokens, found.context) == (5, 45, 10)


def test_losses_are_those_of_the_table() -> None:
    model, ids = random_model(3), random_ids(40, seed=4)
    log_p = model.module.weight.double().log_softmax(1).numpy()
    losses = [-log_p[ids[i], ids[i + 1]] for i in range(40) if (i + 1) % 8]
    assert perplexity(model, ids, 8).nll == pytest.approx(np.mean(losses), rel=1e-6)


def test_the_second_half_is_what_llama_cpp_counts() -> None:
    model, ids = random_model(3), random_ids(40, seed=4)
    log_p = model.module.weight.double().log_softmax(1).numpy()
    # llama-perplexity: first = n_ctx / 2, count = n_ctx - first - 1, logit i against token i + 1
    losses = [-log_p[ids[s + i], ids[s + i + 1]] for s in range(0, 40, 8) for i in range(4, 7)]
    assert perplexity(model, ids, 8).ppl_second_half == pytest.approx(math.exp(np.mean(losses)), rel=1e-6)


def test_bits_per_byte_of_one_byte_tokens_are_bits_per_token() -> None:
    found = perplexity(random_model(), random_ids(60), 10)
    assert found.bytes == found.tokens == 54
    assert found.bits_per_byte == pytest.approx(found.nll / math.log(2))


def test_bytes_are_utf8_bytes_of_the_predicted_text() -> None:
    model = random_model()
    model.tokenizer.decode = lambda ids: "é" * len(ids)  # two bytes each
    assert perplexity(model, random_ids(60), 10).bytes == 2 * 54


@given(st.integers(2, 12), st.integers(0, 20))
def test_the_order_of_windows_does_not_matter(context: int, seed: int) -> None:
    model, ids = random_model(seed), random_ids(5 * context, seed)
    windows = [ids[i : i + context] for i in range(0, len(ids), context)]
    order = np.random.default_rng(seed).permutation(5)
    shuffled = [token for i in order for token in windows[i]]
    first, second = perplexity(model, ids, context), perplexity(model, shuffled, context)
    assert first.ppl == pytest.approx(second.ppl, rel=1e-9)
    assert first.bits_per_byte == pytest.approx(second.bits_per_byte, rel=1e-9)


def test_neither_batches_nor_chunks_change_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = random_model(), random_ids(200)
    together = perplexity(model, ids, 10)
    assert len(model.passes) == 1
    monkeypatch.setattr(scoring, "CACHED_BYTES", 3 * 4 * 29)  # three positions at a time
    monkeypatch.setattr(scoring, "CHUNK_BYTES", 7 * 4 * 29)  # and the head reads six together
    monkeypatch.setattr(scoring, "_tokens_per_forward", lambda model: 10)
    one_by_one = perplexity(model, ids, 10)
    assert len(model.passes) == 1 + 20
    assert one_by_one.nll == pytest.approx(together.nll, rel=1e-7)


def test_masked_models_see_each_token_masked_once_between_cls_and_sep() -> None:
    model = random_model(objective="masked")
    window = random_ids(6)
    found = perplexity(model, window, 6)
    seen = torch.cat(model.passes).tolist()
    expected = []
    for position in range(6):
        masked = [28 if i == position else token for i, token in enumerate(window)]
        expected.append([26, *masked, 27])
    assert seen == expected
    log_p = model.module.weight.double().log_softmax(1).numpy()
    before = [26, *window[:-1]]
    assert found.nll == pytest.approx(-np.mean([log_p[b, t] for b, t in zip(before, window, strict=True)]), rel=1e-6)
    assert (found.kind, found.tokens, found.ppl_second_half) == ("pseudo-perplexity", 6, None)


def test_a_masked_model_without_a_mask_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(objective="masked")
    monkeypatch.setattr(model.tokenizer, "special_id", lambda role: None)
    with pytest.raises(MeasurementError, match="names no mask token"):
        perplexity(model, random_ids(12), 6)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_logits_that_are_not_numbers_are_reported(broken: float) -> None:
    table = torch.zeros(29, 29)
    table[5, 7] = broken
    with pytest.raises(MeasurementError, match="not finite"):
        perplexity(TableModel(table), list(range(10)), 5)


def test_too_few_tokens_and_too_long_windows_are_refused() -> None:
    with pytest.raises(TextError, match="9 tokens do not fill a window of 10"):
        perplexity(random_model(), random_ids(9), 10)
    with pytest.raises(ModelError, match="at most 64 tokens, not 65"):
        perplexity(random_model(), random_ids(100), 65)
    with pytest.raises(ModelError, match="at most 62 tokens"):  # [CLS] and [SEP] need room too
        perplexity(random_model(objective="masked"), random_ids(100), 63)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_longest_window_that_is_allowed_can_be_read(family: str, tmp_path: Path) -> None:
    from optlab.models import load

    model = load(str(tiny_model_folder(family, tmp_path, pad_token_id=1)), device="cpu")
    ids = torch.randint(4, 120, (80,), generator=torch.Generator().manual_seed(1)).tolist()
    with pytest.raises(ModelError) as caught:
        perplexity(model, ids, 65)
    longest = int(re.search(r"at most (\d+) tokens", str(caught.value)).group(1))
    assert 60 <= longest <= 64
    assert math.isfinite(perplexity(model, ids, longest).ppl)


def test_progress_sees_the_running_perplexity_and_can_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_tokens_per_forward", lambda model: 10)
    seen = []
    found = perplexity(random_model(), random_ids(50), 10, lambda fraction, message, partial=None: seen.append(message))
    told = [message.values for message in seen if "ppl" in message.values]
    assert [values["row_count"] for values in told] == [1, 2, 3, 4, 5]
    assert told[-1]["ppl"] == pytest.approx(found.ppl)

    def stop(fraction: float, message: str, partial: dict | None = None) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        perplexity(random_model(), random_ids(50), 10, stop)


@pytest.mark.parametrize("family", CAUSAL)
def test_equals_the_loss_that_transformers_computes(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from optlab.models import load

    folder = tiny_model_folder(family, tmp_path / family)
    ids = torch.randint(4, 120, (96,), generator=torch.Generator().manual_seed(1)).tolist()
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        windows = [torch.tensor([ids[i : i + 32]]) for i in range(0, 96, 32)]
        expected = math.exp(np.mean([reference(window, labels=window).loss.item() for window in windows]))
    found = perplexity(load(str(folder), device="cpu"), ids, 32)
    assert found.ppl == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", MASKED)
def test_pseudo_perplexity_equals_masking_by_hand(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    from optlab.models import load

    folder = tiny_model_folder(family, tmp_path / family)
    model = load(str(folder), device="cpu")
    mask = model.tokenizer.special_id("mask")
    ids = torch.randint(4, 120, (24,), generator=torch.Generator().manual_seed(1)).tolist()
    reference = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    total = 0.0
    for start in (0, 12):
        for position in range(12):
            window = torch.tensor([ids[start : start + 12]])
            true = window[0, position].item()
            window[0, position] = mask
            with torch.no_grad():
                total -= reference(window).logits[0, position].log_softmax(0)[true].item()
    assert perplexity(model, ids, 12).nll == pytest.approx(total / 24, rel=1e-5)


@pytest.mark.slow
def test_smollm2_on_wikitext_equals_ten_lines_of_transformers() -> None:
    if not WIKITEXT.is_file():
        pytest.skip(f"{WIKITEXT} is missing; set OPTLAB_TEST_WIKITEXT to the test split of wikitext-2-raw")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from optlab import texts
    from optlab.models import load

    model = load("smollm2-135m", device="cpu")
    found = perplexity(model, texts.evaluation_tokens(str(WIKITEXT), model.tokenizer, 24 * 512), 512)

    reference = AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model.folder)
    ids = tokenizer(WIKITEXT.read_text(encoding="utf-8"), add_special_tokens=False).input_ids
    losses = []
    for start in range(0, 24 * 512, 512):
        window = torch.tensor([ids[start : start + 512]])
        with torch.no_grad():
            losses.append(reference(window, labels=window).loss.item())
    assert found.ppl == pytest.approx(math.exp(np.mean(losses)), rel=1e-3)
