"""Texts in tables: which column of JSON lines, JSON, CSV, Parquet or a saved data set is the text.

A record is a document. Nothing is guessed from numbers: a column called text or content is taken, messages, a prompt
with its completion, else the only column of strings, and where that is not clear a person says it as PATH#COLUMN. A
column inside a record of another is called as in `datasets`: meta.text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optlab.errors import TextError
from optlab.texts.unpacking import LARGEST, decoded

USUAL = ("text", "content", "document", "body")
"""Columns that are the text wherever they occur, the first one found."""
CONVERSATIONS = ("messages", "conversations", "conversation")
PROMPT, COMPLETION = "prompt", "completion"
"""Two halves of one document, strings or messages, as TRL has them."""
DELIMITERS = ",;\t|"
TABLES = {
    ".jsonl": "JSON lines", ".ndjson": "JSON lines", ".json": "JSON", ".csv": "CSV", ".tsv": "tab-separated values",
    ".parquet": "Parquet", "": "a saved data set",
}  # fmt: skip
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Taken:
    """What was read of a file. documents: in the order of the file. kind: its format in words. column: None where the
    file is text as it stands. conversation: documents are JSON lists of messages, for a chat template. without: records
    that hold nothing in that column and were left out."""

    documents: tuple[str, ...]
    kind: str
    column: str | None = None
    conversation: bool = False
    without: int = 0


def from_table(data: bytes, ending: str, name: str, column: str | None) -> Taken:
    """The documents of a file with records. Raises TextError that names the line, or the columns there are."""
    if ending == ".parquet":
        rows: Sequence[Record] = list(_parquet(data, name))
    elif ending in (".csv", ".tsv"):
        rows = list(_separated(decoded(data, name), "\t" if ending == ".tsv" else None, name))
    else:
        rows = _json(decoded(data, name), ending != ".json", name)
    return chosen(rows, TABLES[ending], name, column)


def from_folder(folder: Path, name: str, column: str | None) -> Taken:
    """The documents of a folder that `datasets` saved (`save_to_disk`): Arrow streams beside state.json. Of a folder
    with splits the one called test, else validation, else the first. Raises TextError."""
    import pyarrow

    splits = sorted(place.parent for place in folder.glob("*/state.json"))
    if splits and not (folder / "state.json").is_file():
        preferred = {"test": 0, "validation": 1}
        folder = min(splits, key=lambda place: (preferred.get(place.name, 2), place.name))
    if not (folder / "state.json").is_file():
        raise TextError("{name} is a folder and no saved data set; give the path of a text file", name=name)
    rows: list[Record] = []
    size = 0
    try:
        listed = json.loads((folder / "state.json").read_text(encoding="utf-8"))["_data_files"]
        for one in listed:
            with pyarrow.memory_map(str(folder / Path(one["filename"]).name)) as source:
                for batch in pyarrow.ipc.open_stream(source):
                    size = _bounded(size + batch.nbytes, name)
                    rows += batch.to_pylist()
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
        raise TextError("{name} is a damaged data set: {reason}", name=name, reason=str(error)[:100]) from None
    return chosen(rows, TABLES[""], name, column)


def chosen(rows: Sequence[Record], kind: str, name: str, column: str | None) -> Taken:
    """The text of every record that has one. Raises TextError where no column is clearly the text."""
    if not rows:
        raise TextError("{name} is empty", name=name)
    rows = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in rows[:1000] for key in row))
    strings = [key for key in columns if any(isinstance(row.get(key), str) for row in rows[:1000])]
    if column is not None and column not in columns:
        raise TextError("{name} has no column {column!r}; it has {columns}", name=name, column=column,
                        columns=", ".join(columns) or "none")  # fmt: skip
    if column is None:
        lower = {key.lower(): key for key in reversed(columns)}
        usual = [lower[key] for key in (*USUAL, *CONVERSATIONS) if key in lower]
        worthy = usual or (strings if len(strings) == 1 else [])
        if not worthy and {PROMPT, COMPLETION} <= set(columns):
            worthy = [f"{PROMPT}+{COMPLETION}"]
            rows = [{worthy[0]: _together(row.get(PROMPT), row.get(COMPLETION))} for row in rows]
        if not worthy:
            raise TextError(
                "which column of {name} is the text? Write {name}#COLUMN with one of {columns}",
                name=name, columns=", ".join(strings) or "none, because no column holds text",
            )  # fmt: skip
        column = worthy[0]
    values = [row.get(column) for row in rows]
    talk = any(isinstance(value, list) for value in values)
    found = [_conversation(value, name) if talk else value for value in values if value is not None]
    if not talk and not all(isinstance(value, str) for value in found):
        raise TextError("the column {column!r} of {name} holds no text", name=name, column=column)
    documents = tuple(one for one in found if isinstance(one, str) and one.strip())
    if not documents:
        raise TextError("{name} is empty", name=name)
    for number, document in enumerate(documents, 1):
        if LONE_SURROGATE.search(document):
            raise TextError(
                "document {number} of {name} holds half of a surrogate pair, which is no character",
                number=number, name=name,
            )  # fmt: skip
    return Taken(documents, kind, column, talk, len(rows) - len(documents))


def _conversation(value: Any, name: str) -> str:
    """Messages as JSON, under the names that chat templates use."""
    roles = {"human": "user", "gpt": "assistant"}
    messages = []
    for one in value if isinstance(value, list) else [value]:
        role = one.get("role", one.get("from")) if isinstance(one, dict) else None
        content = _content(one.get("content", one.get("value"))) if isinstance(one, dict) else None
        if not isinstance(role, str) or not isinstance(content, str):
            raise TextError("{name} has messages without a role and a content of text", name=name)
        messages.append({"role": roles.get(role, role), "content": content})
    return json.dumps(messages, ensure_ascii=False) if messages else ""


def _content(value: Any) -> Any:
    """What a message says; one that is told in parts, all of them text, as one string."""
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        return value
    parts = [part.get("text") if part.get("type", "text") == "text" else None for part in value]
    return "".join(part for part in parts if isinstance(part, str)) if None not in parts else None


def _together(prompt: Any, completion: Any) -> Any:
    """A prompt and what follows it, both strings or both messages; None where they are not alike."""
    alike = type(prompt) is type(completion) and isinstance(prompt, (str, list))
    return prompt + completion if alike else None


def _flat(row: Record) -> Record:
    """A record with the columns of the records inside it beside its own, as meta.text."""
    inner = {
        f"{key}.{name}": one for key, value in row.items() if isinstance(value, dict) for name, one in value.items()
    }
    return {**inner, **row}


def _json(text: str, lines: bool, name: str) -> list[Record]:
    """Records of JSON lines or of one JSON value. lines: which of both the name says; files are often named as the
    other, so that is tried where the first is not what is there."""
    try:
        return list(_json_lines(text, name)) if lines else _whole_json(text, name)
    except TextError as error:
        try:
            return _whole_json(text, name) if lines else list(_json_lines(text, name))
        except TextError:
            raise error from None


def _json_lines(text: str, name: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _record(_parsed(line, name, number), name)


def _whole_json(text: str, name: str) -> list[Record]:
    """A list of records or of strings, columns of equal length, or a mapping with one such list in it."""
    data = _parsed(text, name, 1)
    if isinstance(data, dict):
        lists = {key: value for key, value in data.items() if isinstance(value, list)}
        if len(lists) > 1 and len({len(value) for value in lists.values()}) == 1:
            return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        if len(lists) == 1 and not lists.keys() & set(CONVERSATIONS):
            (data,) = lists.values()
        else:
            data = [data]
    if not isinstance(data, list):
        raise TextError("{name} holds no list of records", name=name)
    return [_record({"text": one} if isinstance(one, str) else one, name) for one in data]


def _parsed(text: str, name: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        line += getattr(error, "lineno", 1) - 1
        raise TextError("line {line} of {name} is not JSON", name=name, line=line) from None


def _record(value: Any, name: str) -> Record:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise TextError("{name} holds something else than records with named columns", name=name)
    return value


def _separated(text: str, delimiter: str | None, name: str) -> Iterator[Record]:
    """The rows of a table under a header. delimiter: None takes the one that the header has most of."""
    csv.field_size_limit(LARGEST)
    if delimiter is None:
        header = text.lstrip().partition("\n")[0]
        delimiter = max(DELIMITERS, key=header.count)
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = list(rows.fieldnames or ())
        if twice := [column for column, count in Counter(columns).items() if count > 1]:
            raise TextError("{name} has the column {column!r} twice", name=name, column=twice[0])
        for row in rows:
            if None in row:
                raise TextError(
                    "line {line} of {name} has more fields than there are columns; put quotes around a text with "
                    "{delimiter!r} in it",
                    line=rows.line_num, name=name, delimiter=delimiter,
                )  # fmt: skip
            yield {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    except csv.Error as error:
        raise TextError("{name} is not a table: {reason}", name=name, reason=str(error)) from None


def _parquet(data: bytes, name: str) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    size = 0
    try:
        for batch in parquet.ParquetFile(io.BytesIO(data)).iter_batches(batch_size=1024):
            size = _bounded(size + batch.nbytes, name)
            yield from batch.to_pylist()
    except (OSError, ValueError, pyarrow.ArrowException):
        raise TextError("{name} is a damaged Parquet file", name=name) from None


def _bounded(size: int, name: str) -> int:
    if size > LARGEST:
        raise TextError("{name} unpacks to more than {largest} MB", name=name, largest=LARGEST >> 20)
    return size
