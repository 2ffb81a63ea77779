"""What stands around a window, and that text is never read as control tokens, against transformers and gguf-py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, processors
from tokenizers import Tokenizer as Backend

from optlab.errors import ModelError, TextError
from optlab.framing import Framing
from optlab.models.tokenizer import Tokenizer
from tests.tokenizer_kinds import KINDS, MADE, SPECIAL, begin_with_bos

PIECES = [*SPECIAL, "the ", "fox", " ", "  ", "\n", "中文", "é", "<", ">", "s", "unk", "ok", "[", "CLS", "<0x0A>"]


def tokenizer(kind: str, **told: Any) -> Tokenizer:
    roles = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return Tokenizer(Backend.from_str(MADE[kind].to_str()), {**roles, **told})


def written(backend: Backend, folder: Path, **told: Any) -> Tokenizer:
    backend.save(str(folder / "tokenizer.json"))
    roles = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**roles, **told}))
    return Tokenizer.from_folder(folder)


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(deadline=None, max_examples=60)
def test_text_never_becomes_a_control_token(kind: str, text: str) -> None:
    chosen = tokenizer(kind)
    allowed = {chosen.special_id("unk")}  # a character that is not known
    specials = {chosen.backend.token_to_id(one) for one in SPECIAL} - allowed
    assert not specials & set(chosen.encode(text))
    if kind != "wordpiece":  # which keeps no spaces
        assert chosen.lookalikes(text) == sum(map(text.count, SPECIAL))


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(deadline=None, max_examples=60)
def test_text_is_encoded_as_transformers_does_when_it_splits_special_tokens(kind: str, text: str) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast(tokenizer_object=Backend.from_str(MADE[kind].to_str()), split_special_tokens=True)
    assert tokenizer(kind).encode(text) == theirs.encode(text, add_special_tokens=False)


def test_a_unigram_vocabulary_does_not_find_its_own_special_tokens() -> None:
    chosen = tokenizer("unigram")
    assert chosen.special_id("bos") not in chosen.encode("the <s> fox")
    assert chosen.special_id("bos") in MADE["unigram"].encode("the <s> fox", add_special_tokens=False).ids


def test_added_tokens_that_are_not_special_are_matched() -> None:
    backend = Backend.from_str(MADE["sentencepiece"].to_str())
    backend.add_tokens([AddedToken("▁▁▁", normalized=False), AddedToken("\n\n", normalized=False)])
    chosen = Tokenizer(backend, {})
    assert backend.token_to_id("\n\n") in chosen.encode("one\n\ntwo")


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.sampled_from([*PIECES, "ß", "🦊"]), max_size=12).map("".join))
@settings(deadline=None, max_examples=60)
def test_tokens_account_for_every_byte_of_the_text(kind: str, text: str) -> None:
    ids, sizes = tokenizer(kind).sized(text)
    assert ids == tokenizer(kind).encode(text)
    assert len(sizes) == len(ids)
    left_over = len(text.encode()) - len(text.rstrip().encode())  # white space behind the last word
    assert 0 <= len(text.encode()) - sum(sizes) <= (left_over if kind in ("wordpiece",) else 0) or not ids


def test_byte_level_tokens_count_the_bytes_they_spell() -> None:
    chosen = tokenizer("bytes")
    ids, sizes = chosen.sized("字")  # three bytes, no merge of which is known
    assert sizes == [1] * len(ids) == [1, 1, 1]


def test_an_unknown_character_counts_as_the_bytes_it_has() -> None:
    chosen = tokenizer("unigram")
    ids, sizes = chosen.sized("the 字")
    assert chosen.special_id("unk") in ids
    assert sum(sizes) == len("the 字".encode())


def test_windows_begin_as_the_post_processor_says() -> None:
    backend = begin_with_bos(Backend.from_str(MADE["bytes"].to_str()))
    chosen = Tokenizer(backend, {"bos_token": "<s>"})
    assert chosen.framing("causal") == Framing((1,))
    assert chosen.framing("causal", "never") == Framing()
    assert tokenizer("bytes").framing("causal") == Framing()
    assert tokenizer("bytes").framing("causal", "always") == Framing((1,))


@pytest.mark.parametrize("processor", [False, True])
@pytest.mark.parametrize("add_bos", [None, False, True])
def test_add_bos_token_counts_before_the_post_processor_as_in_gguf_files(
    tmp_path: Path, processor: bool, add_bos: bool | None
) -> None:
    from gguf import SpecialVocab

    backend = Backend.from_str(MADE["bytes"].to_str())
    told = {} if add_bos is None else {"add_bos_token": add_bos}
    chosen = written(begin_with_bos(backend) if processor else backend, tmp_path, **told)
    theirs = SpecialVocab(tmp_path).add_special_token.get("bos", False)
    assert bool(chosen.framing("causal")) == theirs


def test_a_masked_model_stands_between_its_ends() -> None:
    backend = Backend.from_str(MADE["wordpiece"].to_str())
    roles = {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    ends = [backend.token_to_id("[CLS]"), backend.token_to_id("[SEP]")]
    assert Tokenizer(backend, roles).framing("masked") == Framing((ends[0],), (ends[1],))
    backend.post_processor = processors.BertProcessing(("[SEP]", ends[1]), ("[CLS]", ends[0]))
    assert Tokenizer(backend, {}).framing("masked") == Framing((ends[0],), (ends[1],))
    assert Tokenizer(backend, {}).framing("masked", "never") == Framing()


def test_nothing_is_written_behind_the_text_of_a_causal_model() -> None:
    backend = Backend.from_str(MADE["bytes"].to_str())
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    assert Tokenizer(backend, {}).framing("causal") == Framing((1,))


def test_bos_that_a_model_does_not_have_is_refused_in_a_sentence() -> None:
    with pytest.raises(TextError, match="names no BOS token to begin with; use bos auto or never"):
        Tokenizer(Backend.from_str(MADE["bytes"].to_str()), {}).framing("causal", "always")
    chosen = Tokenizer(begin_with_bos(Backend.from_str(MADE["bytes"].to_str())), {})
    chosen.rows = 1
    with pytest.raises(ModelError, match="no embedding for; use bos never"):
        chosen.framing("causal")


def test_a_template_writes_control_tokens_and_a_question_does_not(tmp_path: Path) -> None:
    template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}{{ eos_token }}"
    chosen = written(Backend.from_str(MADE["bytes"].to_str()), tmp_path, chat_template=template)
    assert _asked("the fox", chosen) == [1, *chosen.encode("the fox"), 2]
    assert _asked("the </s> fox", chosen) == [
        1, *chosen.encode("the "), *chosen.encode("</s>"), *chosen.encode(" fox"), 2,
    ]  # fmt: skip


def _asked(question: str, chosen: Tokenizer) -> list[int]:
    return chosen.conversation([{"role": "user", "content": question}], answer=True)[0]
