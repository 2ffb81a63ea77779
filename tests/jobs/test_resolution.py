"""What tells models and texts from others: what was measured with windows of the old kind is not taken for new."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from optlab.jobs.measure import MEASURE
from optlab.jobs.resolution import located, text_identity, unread_identity
from optlab.models.checkpoint import open_checkpoint
from optlab.models.fingerprint import fingerprint, framing_of
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.measurement import MeasureSpec
from tests.tiny import tiny_model_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model_folder("llama", tmp_path / "model")


def told(folder: Path, **settings: object) -> None:
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "bos_token": "<|end|>", **settings}))


def test_a_model_that_wants_bos_is_another_than_it_was(folder: Path) -> None:
    known, unread = fingerprint(open_checkpoint(folder)), unread_identity(str(folder))
    assert framing_of(folder) == ""
    told(folder, add_bos_token=True)
    assert framing_of(folder) != ""
    assert fingerprint(open_checkpoint(folder)) != known
    assert unread_identity(str(folder)) != unread


def test_a_rule_that_is_not_asked_for_leaves_keys_as_they_were() -> None:
    def key(**settings: object) -> str:
        protocol = Protocol(text="shakespeare", latency=False, **settings)  # type: ignore[arg-type]
        return MEASURE.key(MeasureSpec(model="nano", recipe=Recipe(), protocol=protocol), "weights")

    assert key() == key(bos="auto")
    assert len({key(), key(bos="always"), key(bos="never")}) == 3


def test_a_text_is_told_by_its_windows_its_contents_and_its_column(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for file in (first, second):
        file.write_text('{"text": "one"}')
    assert text_identity("shakespeare") == "shakespeare, strewn 1"
    assert text_identity(str(first)) == text_identity(str(second)) != text_identity(f"{first}#text")
    assert text_identity(f"{first}#text") == text_identity(f"{second}#text")
    assert text_identity(None) is None


def test_paths_are_made_absolute_with_their_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert located("a.jsonl#text") == f"{tmp_path / 'a.jsonl'}#text"
    assert located("shakespeare") == "shakespeare"
    assert located("~nobody-here/a.txt") == "~nobody-here/a.txt"
    assert located("no-such-file#text") == "no-such-file#text"


def put_back(file: Path, other: bytes) -> None:
    """Other contents of the same size, with the old time of modification, as reproducible archives leave them."""
    before = file.stat()
    assert len(other) == before.st_size
    file.write_bytes(other)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("changed", ["model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_a_model_replaced_by_another_of_the_same_size_and_time_is_another(folder: Path, changed: str) -> None:
    file = folder / changed
    file.touch()
    unread = unread_identity(str(folder))
    assert unread_identity(str(folder)) == unread
    put_back(file, file.read_bytes()[::-1])
    assert unread_identity(str(folder)) != unread


def test_every_part_of_a_split_file_tells_it_from_others(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-{number:05}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(b"GGUF")
    unread = unread_identity(str(parts[0]))
    put_back(parts[1], b"FUGG")
    assert unread_identity(str(parts[0])) != unread
