"""Perplexities of tiny models against llama-perplexity's own way of cutting, computed by transformers alone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as Backend

from optlab import texts
from optlab.calibrate.statistics import statistics
from optlab.evaluation.perplexity import Perplexity, perplexity
from optlab.framing import BosRule
from optlab.models import load
from optlab.models.language_model import LanguageModel
from tests.tiny import tiny_model_folder
from tests.tokenizer_kinds import MADE, WORDS, begin_with_bos

CONTEXT, TOKENS = 32, 320
MODELS = {"with BOS": ("bytes", True), "without BOS": ("bytes", False), "SentencePiece": ("sentencepiece", True)}


def model_folder(folder: Path, kind: str, bos: bool) -> Path:
    backend = Backend.from_str(MADE[kind].to_str())
    tiny_model_folder("llama", folder, vocab_size=backend.get_vocab_size())
    (begin_with_bos(backend) if bos else backend).save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


def own_text(folder: Path) -> Path:
    file = folder / "text.txt"
    words = WORDS.split()
    file.write_text(" ".join(words[(7 * i + i * i) % len(words)] for i in range(400)) + " a <unk> word and <s> too")
    return file


def as_llama_perplexity(folder: Path, text: str, tokens: int, context: int) -> tuple[float, float]:
    """(perplexity over all predictions of every chunk, what llama-perplexity prints) of the first `tokens` tokens.

    tools/perplexity/perplexity.cpp: the text is tokenized with add_special and without parse_special; chunks of n_ctx
    tokens; with add_bos the first token of a chunk is overwritten by BOS; logits n_ctx / 2 to n_ctx - 2 count.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, split_special_tokens=True)
    ids = tokenizer.encode(text, add_special_tokens=True)[:tokens]
    bos = ids[0] if ids[0] == tokenizer.bos_token_id else None
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    every, second = [], []
    for start in range(0, len(ids) - context + 1, context):
        chunk = torch.tensor([ids[start : start + context]])
        if bos is not None:
            chunk[0, 0] = bos
        with torch.no_grad():
            logits = model(input_ids=chunk).logits[0]
        nll = torch.nn.functional.cross_entropy(logits[:-1], chunk[0, 1:], reduction="none")
        every.append(nll)
        second.append(nll[context // 2 :])
    return math.exp(torch.cat(every).mean()), math.exp(torch.cat(second).mean())


@pytest.mark.parametrize("name", MODELS)
def test_a_file_has_the_perplexity_that_llama_perplexity_has(name: str, tmp_path: Path) -> None:
    folder, file = model_folder(tmp_path / "model", *MODELS[name]), own_text(tmp_path)
    model = load(str(folder), device="cpu")
    passage = texts.evaluation_passage(str(file), model.tokenizer, TOKENS, CONTEXT, model.framing())
    found = perplexity(model, passage, CONTEXT)
    theirs = as_llama_perplexity(folder, file.read_text(), TOKENS, CONTEXT)
    assert (found.ppl, found.ppl_second_half) == pytest.approx(theirs, rel=1e-4)
    assert found.tokens == TOKENS // CONTEXT * (CONTEXT - 1)


def test_bos_and_special_tokens_change_what_is_measured(tmp_path: Path) -> None:
    folder, file = model_folder(tmp_path / "model", "bytes", True), own_text(tmp_path)
    model = load(str(folder), device="cpu")

    def measured(bos: BosRule) -> float:
        passage = texts.evaluation_passage(str(file), model.tokenizer, TOKENS, CONTEXT, model.framing(bos))
        return perplexity(model, passage, CONTEXT).ppl

    assert measured("auto") == measured("always")
    assert abs(measured("auto") / measured("never") - 1) > 1e-3


def test_what_looks_like_a_special_token_is_counted_and_read_as_characters(tmp_path: Path) -> None:
    folder, file = model_folder(tmp_path / "model", "bytes", False), own_text(tmp_path)
    model = load(str(folder), device="cpu")
    count = len(model.tokenizer.encode(file.read_text()))
    passage = texts.evaluation_passage(str(file), model.tokenizer, count, CONTEXT, model.framing())
    assert passage.lookalikes == 2
    assert not {0, 1} & set(passage.ids)


def test_bits_per_byte_divide_by_the_bytes_of_a_text_whose_characters_the_edges_cut(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", "bytes", False)
    file = tmp_path / "chinese.txt"
    file.write_text("".join(chr(0x4E00 + (37 * i) % 3000) for i in range(400)))
    model = load(str(folder), device="cpu")
    found = _measured(model, file)
    # Every token is a byte: no merge of these characters is known.
    assert found.bytes == found.tokens
    assert found.bits_per_byte == pytest.approx(found.nll / math.log(2))


def test_unknown_characters_count_as_the_bytes_they_have(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", "unigram", False)
    file = tmp_path / "unknown.txt"
    file.write_text("the fox 狐 over 跳 the dog " * 60)
    model = load(str(folder), device="cpu")
    passage = texts.evaluation_passage(str(file), model.tokenizer, TOKENS, CONTEXT, model.framing())
    assert passage.bytes is not None
    spelled = sum(len(model.tokenizer.decode([one])) for one in passage.ids)
    text = file.read_text().encode()[: sum(passage.bytes)].decode()
    assert sum(passage.bytes) > spelled  # three bytes for what the tokenizer has no character for
    assert len(model.tokenizer.encode(text)) == TOKENS


def _measured(model: LanguageModel, file: Path) -> Perplexity:
    passage = texts.evaluation_passage(str(file), model.tokenizer, TOKENS, CONTEXT, model.framing())
    return perplexity(model, passage, CONTEXT)


def test_calibration_reads_windows_that_begin_with_bos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    folder, file = model_folder(tmp_path / "model", "bytes", True), own_text(tmp_path)
    model = load(str(folder), device="cpu")
    ids = model.tokenizer.encode(file.read_text())
    windows = torch.tensor([[1, *ids[start + 1 : start + CONTEXT]] for start in range(0, TOKENS, CONTEXT)])
    seen: list[torch.Tensor] = []
    name = model.linear_names()[0]
    handle = model.module_named(name).register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    with torch.no_grad():
        model.logits(windows)
    handle.remove()
    X = seen[0].flatten(0, -2)
    found = statistics(model, str(file), TOKENS, CONTEXT)
    assert torch.allclose(found.gram(name), X.T @ X / len(X), rtol=1e-4, atol=1e-6)
    without = statistics(model, str(file), TOKENS, CONTEXT, bos="never")
    assert not torch.allclose(without.gram(name), found.gram(name), rtol=1e-2)
