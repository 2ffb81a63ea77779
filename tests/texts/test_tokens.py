"""Encoding a part gives what the whole would have given; strewn windows are windows of the text, in a nested order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab import texts
from optlab.framing import Framing
from optlab.models.tokenizer import Tokenizer
from optlab.texts import strewn
from optlab.texts.tokens import cut, first_tokens, joined, segments
from tests.models.test_framing import tokenizer
from tests.tokenizer_kinds import KINDS, WORDS


def chinese(seed: int, count: int) -> str:
    generator = random.Random(seed)
    return "".join(chr(0x4E00 + min(int(generator.expovariate(0.01)), 1499)) for _ in range(count))


TEXTS = {
    "words": " ".join(random.Random(0).choices(WORDS.split(), k=4000)),
    "no spaces": chinese(1, 6000),
    "lines": "\n".join(chinese(i, 80) for i in range(60)),
    "mixed": "\n\n".join(f"{chinese(i, 30)} {WORDS} <unk>   {i}" for i in range(80)),
    "one word": "jumpsoverthelazydog" * 400,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(count=st.integers(1, 900))
def test_a_part_gives_the_tokens_of_the_whole(kind: str, name: str, count: int) -> None:
    chosen = tokenizer(kind)
    ids, sizes = chosen.sized(TEXTS[name])
    some = first_tokens([TEXTS[name]], chosen, count)
    assert some.ids == ids[:count]
    assert some.bytes == sizes[:count]


class Counting:
    """A tokenizer that remembers how much it was given."""

    def __init__(self, inside: Tokenizer) -> None:
        self.inside, self.characters = inside, 0

    def encode(self, text: str) -> list[int]:
        return self.sized(text)[0]

    def sized(self, text: str) -> tuple[list[int], list[int]]:
        self.characters += len(text)
        return self.inside.sized(text)

    def lookalikes(self, text: str) -> int:
        return self.inside.lookalikes(text)


def test_megabytes_without_a_space_cost_what_their_needed_tokens_do() -> None:
    counting = Counting(tokenizer("bytes"))
    assert len(first_tokens([chinese(2, 1_000_000)], counting, 1000)) == 1000  # type: ignore[arg-type]
    assert counting.characters < 10_000


@given(st.text(alphabet="ab \n中", max_size=400), st.integers(1, 50))
def test_segments_are_the_text(text: str, size: int) -> None:
    pieces = [text[start:end] for start, end in segments(text, size)]
    assert "".join(pieces) == text
    assert all(0 <= cut(text, near) <= len(text) for near in range(len(text)))


@pytest.fixture(params=["whole", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "in pieces":
        monkeypatch.setattr(strewn, "WHOLE_BYTES", 1000)
    return request.param == "in pieces"


def test_strewn_windows_are_windows_of_the_text_none_twice(pieces: bool) -> None:
    chosen = tokenizer("bytes")
    found = list(strewn.windows(TEXTS["words"], chosen, 16, random.Random(1)))
    ids = chosen.encode(TEXTS["words"])
    if not pieces:
        consecutive = [ids[start : start + 16] for start in range(0, len(ids) - 15, 16)]
        assert sorted(window.ids for window in found) == sorted(consecutive)
        assert [window.ids for window in found] != consecutive
    assert len(found) >= 0.9 * (len(ids) // 16)
    assert all(chosen.decode(window.ids) == window.text for window in found)
    assert all(window.text in TEXTS["words"] for window in found)


def test_more_tokens_contain_the_fewer() -> None:
    chosen = tokenizer("bytes")
    few, many = (texts.evaluation_passage("shakespeare", chosen, count, 64) for count in (640, 6400))
    assert list(many.ids[:640]) == list(few.ids)
    assert not few.consecutive
    assert list(texts.evaluation_passage("shakespeare", chosen, 640, 64, seed=1).ids) != list(few.ids)


def test_a_file_is_read_from_its_beginning_with_bos_where_llama_perplexity_has_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "text.txt"
    file.write_text(TEXTS["words"])
    chosen = tokenizer("bytes")
    passage = texts.evaluation_passage(str(file), chosen, 64, 16, Framing((1,)))
    assert list(passage.ids) == [1, *chosen.encode(TEXTS["words"])[:63]]
    assert passage.consecutive
    assert passage.framing.windows(passage.ids, 16)[1][0] == 1


def test_documents_are_joined_by_a_blank_line() -> None:
    assert joined(["one\n", "two\n", "three\n"]) == "one\n\ntwo\n\nthree\n"
    assert joined([]) == ""
