"""Where folders were named, nothing outside them is read, whichever way a path leads there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optlab import paths, roots
from optlab.errors import ModelError, TextError
from optlab.jobs.resolution import located, text_identity
from optlab.models.catalog import locate
from optlab.texts.text import load, store_pasted
from tests.tiny import tiny_model_folder


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.setenv(roots.VARIABLE, os.pathsep.join([str(folder), str(tmp_path / "not there")]))
    return folder


def test_everything_is_allowed_where_no_folder_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(roots.VARIABLE, raising=False)
    assert roots.allows(Path("/etc/passwd"))


def test_texts_and_models_inside_are_read(inside: Path) -> None:
    (inside / "t.txt").write_text("some words " * 500)
    assert load(str(inside / "t.txt")).evaluation
    folder = tiny_model_folder("llama", inside / "model")
    assert locate(str(folder)) == folder
    assert located(str(inside / "model")) == str(folder)


def test_what_lies_outside_is_not_there_whichever_way_it_is_named(inside: Path) -> None:
    outside = inside.parent / "outside"
    outside.mkdir()
    (outside / "t.txt").write_text("a secret " * 500)
    model = tiny_model_folder("llama", outside / "model")
    (inside / "link.txt").symlink_to(outside / "t.txt")
    (inside / "link").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    names = [
        outside / "t.txt", inside / ".." / "outside" / "t.txt", inside / "link.txt", inside / "link" / "t.txt",
        inside / "loop", paths.home() / "optlab.db", paths.home() / "token", "/etc/passwd", "~root/.profile",
    ]  # fmt: skip
    (paths.home() / "token").write_text("the token of this dashboard")
    (paths.home() / "optlab.db").write_text("the store")
    for name in names:
        with pytest.raises(TextError, match="there is no text"):
            load(str(name))
        with pytest.raises(TextError, match="there is no text"):
            load(f"{name}#column")
        with pytest.raises(ModelError, match="there is no model"):
            locate(str(name))
        assert located(str(name)) == str(name)
        assert text_identity(str(name)) == str(name)
    for name in (model, inside / "link" / "model", inside / ".." / "outside" / "model"):
        with pytest.raises(ModelError, match="there is no model"):
            locate(str(name))


def test_names_that_are_no_paths_and_what_was_handed_in_stay(inside: Path) -> None:
    assert locate("owner/name") is None
    assert load(store_pasted("pasted words " * 300)).evaluation
    assert load("shakespeare").evaluation
