"""A file or folder appears whole or not at all, and nothing is left beside it."""

import errno
import os
from pathlib import Path

import pytest

from optlab import files


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_written_is_there_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    files.write_json(tmp_path / "new" / "a.json", {"a": [1, None]})
    files.write_text(tmp_path / "b.txt", "Grüße\n")
    files.write_bytes(tmp_path / "b.txt", b"again\r\n")
    assert (tmp_path / "new" / "a.json").read_text(encoding="utf-8") == '{"a": [1, null]}'
    assert (tmp_path / "b.txt").read_bytes() == b"again\r\n"
    assert names(tmp_path) == {"new", "b.txt"}
    assert names(tmp_path / "new") == {"a.json"}


def test_a_file_keeps_its_old_content_when_writing_fails(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(KeyboardInterrupt), files.writing(tmp_path / "a") as unfinished:  # noqa: PT012
        unfinished.write_text("half")
        assert (tmp_path / "a").read_text() == "old"
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == {"a"}


def test_a_file_that_nobody_wrote_is_an_error_and_not_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.writing(tmp_path / "a"):
        pass
    assert names(tmp_path) == set()


def test_a_file_is_readable_by_whoever_may_read_others(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    files.write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_everything_is_on_the_disk_before_it_is_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def seen_fsync(descriptor: int) -> None:
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def seen_replace(source: Path, target: Path) -> None:
        events.append(f"-> {Path(target).name}")
        replace(source, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "replace", seen_replace)
    with files.building(tmp_path / "model") as unfinished:
        (unfinished / "weights").write_bytes(b"1")
    assert events == ["new", "weights", "-> model", tmp_path.name]


def test_the_first_of_two_folders_stays_unless_the_second_replaces_it(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for content, replace in (("first", False), ("second", False), ("third", True)):
        with files.building(target, replace=replace) as unfinished:
            (unfinished / content).write_text(content)
        assert names(target) == {"third" if replace else "first"}
    assert names(tmp_path) == {"model"}


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("")
    with pytest.raises(ZeroDivisionError), files.building(tmp_path / "model", replace=True) as unfinished:  # noqa: PT012
        (unfinished / "half").write_text("")
        raise ZeroDivisionError
    assert names(tmp_path / "model") == {"old"}
    assert names(tmp_path) == {"model"}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (OSError("163840 requested and 98496 written"), "the disk is full"),  # numpy's tofile
        (ValueError("I/O error: No space left on device (os error 28)"), "the disk is full"),  # safetensors
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (ValueError("anything else"), "anything else"),
    ],
)
def test_a_full_disk_has_many_names(error: Exception, says: str) -> None:
    assert files.reason(error) == says
