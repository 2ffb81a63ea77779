"""Texts as people have them: tables, packed files, data sets; and what is refused, by name."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab import texts
from optlab.errors import TextError
from optlab.texts.excerpt import excerpt
from optlab.texts.near import groups
from optlab.texts.text import read, sides, store_uploaded

STORIES = [f"Story {i}. " + " ".join(f"word{(i * 31 + j * 7) % 997}" for j in range(40)) for i in range(12)]
ROWS = [{"id": i, "text": story, "label": "news"} for i, story in enumerate(STORIES)]


def zstandard(data: bytes) -> bytes:
    import pyarrow

    return pyarrow.compress(data, codec="zstd", asbytes=True)


def as_lines(rows: list[dict]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_columns() -> bytes:
    return json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}).encode()


def as_parquet(folder: Path) -> bytes:
    pandas.DataFrame(ROWS).to_parquet(folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


FILES: dict[str, Callable[[Path], bytes]] = {
    "lines.jsonl": lambda _: as_lines(ROWS),
    "lines.jsonl.gz": lambda _: gzip.compress(as_lines(ROWS)),
    "lines.ndjson.zst": lambda _: zstandard(as_lines(ROWS)),
    "lines.jsonl.bz2": lambda _: bz2.compress(as_lines(ROWS)),
    "lines.jsonl.xz": lambda _: lzma.compress(as_lines(ROWS)),
    "list.json": lambda _: json.dumps(ROWS).encode(),
    "strings.json": lambda _: json.dumps(STORIES).encode(),
    "wrapped.json": lambda _: json.dumps({"data": ROWS}).encode(),
    "columns.json": lambda _: as_columns(),
    "table.csv": lambda _: pandas.DataFrame(ROWS).to_csv(index=False).encode(),
    "named otherwise.json": lambda _: as_lines(ROWS),
    "named otherwise.jsonl": lambda _: json.dumps(ROWS, indent=1).encode(),
    "record in record.jsonl": lambda _: as_lines([{"id": row["id"], "meta": {"text": row["text"]}} for row in ROWS]),
    "wide.jsonl": lambda _: as_lines(ROWS).decode().encode("utf-16"),
    "semicolons.csv": lambda _: pandas.DataFrame(ROWS).to_csv(index=False, sep=";").encode(),
    "table.tsv": lambda _: pandas.DataFrame(ROWS).to_csv(index=False, sep="\t").encode(),
    "table.parquet": as_parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_documents(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(FILES[name](tmp_path))
    assert read(file, name).documents == tuple(STORIES)
    text = texts.load(str(file))
    assert sorted(text.calibration + text.evaluation) == sorted(STORIES)
    assert not set(text.calibration) & set(text.evaluation)
    assert abs(len(text.calibration) - len(text.evaluation)) <= 1
    texts.check_apart(str(file), str(file))  # its sides are apart, so one file calibrates and measures


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_list(ROWS)
    one.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": one.select(range(3)), "test": one.select(range(3, 12))}).save_to_disk(
        str(tmp_path / "splits")
    )
    assert read(tmp_path / "one", "one").documents == tuple(STORIES)
    assert read(tmp_path / "splits", "splits").documents == tuple(STORIES[3:])


def test_a_column_can_be_chosen_and_must_be_where_none_is_clear(tmp_path: Path) -> None:
    file = tmp_path / "two.jsonl"
    file.write_bytes(as_lines([{"question": f"q {story}", "reply": f"r {story}"} for story in STORIES]))
    with pytest.raises(TextError, match=r"which column of .*two.jsonl is the text.*question, reply"):
        texts.load(str(file))
    assert all(one.startswith("r ") for one in texts.load(f"{file}#reply").documents)
    with pytest.raises(TextError, match="no column 'answer'; it has question, reply"):
        texts.load(f"{file}#answer")


def test_what_was_taken_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(as_lines(ROWS))
    found = excerpt(str(file))
    assert found.words == "JSON lines, column text: 12 documents, 6 of them to measure on, the others to calibrate with"
    assert found.lines[0].startswith("Story")
    assert found.to_dict()["column"] == "text"
    file.write_bytes(as_lines([*ROWS, {"content": "elsewhere"}, {"text": None}]))
    assert excerpt(str(file)).words.endswith("to calibrate with (2 records have no text there)")
    assert excerpt(str(file)).to_dict()["records_without_text"] == 2


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.pdf", b"%PDF-1.7 xx", "is a PDF"),
        ("a.docx", b"PK\x03\x04rest", "is a ZIP archive"),
        ("a.txt", gzip.compress(b"hello", mtime=0), "packed by gzip without the ending"),
        ("a.txt.gz", b"not packed", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(as_lines(ROWS))[:-20], "cannot be read"),
        ("a.jsonl", b'{"text": "a"}\nnonsense', "line 2 of .* is not JSON"),
        ("a.jsonl", b"3\n4", "something else than records"),
        ("a.json", b'"', "line 1 of .* is not JSON"),
        ("a.jsonl", b'{"id": 3}', "no column holds text"),
        ("a.jsonl", b'{"text": "  "}', "is empty"),
        ("a.parquet", b"PAR1 broken", "damaged Parquet"),
        ("a.txt", "caf\xe9 au lait".encode("latin-1"), "is not UTF-8 text"),
        ("a.csv", b'text\n"open', "is not a table"),
        ("a.txt", b"", "is empty"),
        ("a.csv", b"id,text\n1,Hello, you\n", "line 2 of .* has more fields than there are columns"),
        ("a.csv", b"text,text\na,b\n", "has the column 'text' twice"),
        ("a.csv", b"id,text\n", "is empty"),
        ("a.jsonl", b'{"text": "a\\ud800b"}', "document 1 of .* holds half of a surrogate pair"),
        ("a.jsonl", b'{"messages": [{"role": "user", "content": "x"}]}\n{"messages": "x"}', "messages without a role"),
        ("a.txt.lz4", b"\x04\x22M\x18", "is packed by LZ4"),
        ("a.tar", bytes(257).replace(b"\0", b"x") + b"ustar  ", "is a tar archive"),
        ("a.txt", "a\0b".encode("utf-16"), "contains NUL characters"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(TextError, match=says):
        texts.load(str(file))


@pytest.mark.parametrize("conversation", [False, True], ids=["strings", "messages"])
def test_a_prompt_and_its_completion_are_one_document(conversation: bool, tmp_path: Path) -> None:
    rows: list[dict] = [{"prompt": f"{story} ", "completion": "The end."} for story in STORIES]
    expected = [f"{story} The end." for story in STORIES]
    if conversation:
        turns = [([{"role": "user", "content": one}], [{"role": "assistant", "content": "Yes."}]) for one in STORIES]
        rows = [{"prompt": prompt, "completion": completion} for prompt, completion in turns]
        expected = [json.dumps(prompt + completion) for prompt, completion in turns]
    file = tmp_path / "a.jsonl"
    file.write_bytes(as_lines(rows))
    taken = read(file, file.name)
    assert taken.documents == tuple(expected)
    assert taken.conversation is conversation
    assert taken.column == "prompt+completion"
    if not conversation:
        assert read(file, file.name, "completion").documents == ("The end.",) * len(STORIES)


def test_messages_in_parts_are_read_where_all_of_them_are_text(tmp_path: Path) -> None:
    def written(*parts: dict) -> Path:
        file = tmp_path / "a.jsonl"
        file.write_bytes(as_lines([{"messages": [{"role": "user", "content": list(parts)}]}]))
        return file

    words = [{"type": "text", "text": "Once "}, {"type": "text", "text": "more."}]
    assert json.loads(read(written(*words), "a.jsonl").documents[0]) == [{"role": "user", "content": "Once more."}]
    with pytest.raises(TextError, match="messages without a role and a content of text"):
        read(written(*words, {"type": "image", "url": "x"}), "a.jsonl")


def test_utf_32_with_its_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("für".encode("utf-32"))
    assert read(file, "a.txt").documents == ("für",)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for place in (str(tmp_path / "fifo"), "/proc/self/environ", "/dev/zero"):
        with pytest.raises(TextError, match="is not a regular file"):
            texts.load(place)
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")  # Chromium leaves such in /tmp
    with pytest.raises(TextError, match="a folder and no saved data set"):
        texts.load(str(tmp_path))
    with pytest.raises(TextError, match="there is no text '~nobody-here/x'"):
        texts.load("~nobody-here/x")


def test_what_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.texts.unpacking.LARGEST", 1 << 20)
    file = tmp_path / "bomb.txt.gz"
    file.write_bytes(gzip.compress(b"a" * (3 << 20)))
    with pytest.raises(TextError, match="unpacks to more than 1 MB"):
        texts.load(str(file))


def test_utf_16_with_its_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wide.txt"
    file.write_bytes("naïve 中文".encode("utf-16"))
    assert texts.evaluation_documents(str(file)) == ["naïve 中文"]


def test_a_file_that_changed_with_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    for words in ("first words", "other words"):
        file.write_text(words)
        os.utime(file, (1, 1))
        assert texts.evaluation_documents(str(file)) == [words]


def test_a_copy_with_other_white_space_does_not_calibrate(tmp_path: Path) -> None:
    first, second, part = (tmp_path / name for name in ("a.txt", "b.txt", "c.txt"))
    first.write_text("\n".join(STORIES))
    second.write_text("   ".join(" ".join(STORIES).split()))
    part.write_text(STORIES[3].replace(" ", "\n"))
    for other in (second, part):
        with pytest.raises(TextError, match="calibrate and measure at once"):
            texts.check_apart(str(first), str(other))


@given(st.permutations(range(12)), st.sampled_from(["!", " and more", ""]))
@settings(max_examples=30, deadline=None)
def test_near_copies_are_on_one_side(order: list[int], end: str) -> None:
    documents = tuple(STORIES[i] for i in order) + tuple(f"{STORIES[i].upper()}{end}" for i in order[:4])
    left, right = sides(documents)
    assert len(left) + len(right) == len(documents)
    squeezed = [{one.lower()[:40] for one in side} for side in (left, right)]
    assert not squeezed[0] & squeezed[1]
    assert [one for one in documents if one in set(left)] == list(left)


def test_documents_of_their_own_stay_alone() -> None:
    assert groups(STORIES) == [[i] for i in range(len(STORIES))]


def test_an_uploaded_file_is_read_by_its_ending() -> None:
    name = store_uploaded(as_lines(ROWS), "My data.JSONL")
    assert name.endswith(".jsonl")
    assert len(texts.load(name).documents) == len(STORIES)
    with pytest.raises(TextError, match="is a PDF"):
        store_uploaded(b"%PDF-1.7", "x.pdf")


def test_messages_become_a_text_through_the_chat_template_alone(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Backend

    from optlab.errors import ModelError
    from optlab.models.tokenizer import Tokenizer
    from tests.tokenizer_kinds import MADE

    rows = [
        {"messages": [{"role": "user", "content": f"the </s> {s}"}, {"role": "assistant", "content": "fox"}]}
        for s in STORIES
    ]
    file = tmp_path / "chat.jsonl"
    file.write_bytes(as_lines(rows))
    template = "{% for m in messages %}{{ bos_token }}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    backend = Backend.from_str(MADE["bytes"].to_str())
    told = {"bos_token": "<s>", "eos_token": "</s>"}
    passage = texts.evaluation_passage(str(file), Tokenizer(backend, told, template), 300, 30)
    assert passage.ids[0] == 1
    assert passage.lookalikes > 0
    begins = [i for i, token in enumerate(passage.ids) if token == 1]
    assert all(passage.ids[i - 1] == 2 for i in begins[1:])  # a message ends before the next begins
    with pytest.raises(ModelError, match="no chat template"):
        texts.evaluation_passage(str(file), Tokenizer(backend, told), 300, 30)
