"""What is kept is believed only as it was written: any other byte, size or name, and it is made again."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab import sealed

CONTENTS = {"a.bin": b"weights" * 1000, "inner/b.json": b"{}"}


def made(target: Path) -> Path:
    with sealed.building(target) as unfinished:
        (unfinished / "inner").mkdir()
        for name, data in CONTENTS.items():
            (unfinished / name).write_bytes(data)
    return target


def test_what_was_built_is_intact(tmp_path: Path) -> None:
    folder = made(tmp_path / "kept")
    assert sealed.intact(folder)
    assert (folder / "a.bin").read_bytes() == CONTENTS["a.bin"]


@settings(deadline=None, max_examples=40)
@given(place=st.integers(0, 6999), bit=st.integers(0, 7))
def test_one_flipped_bit_is_seen(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    folder = made(tmp_path_factory.mktemp("home") / "kept")
    assert sealed.intact(folder)
    data = bytearray(CONTENTS["a.bin"])
    data[place] ^= 1 << bit
    (folder / "a.bin").write_bytes(data)
    assert not sealed.intact(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    "damage", ["cut", "removed", "no sums", "empty sums", "sums of nothing", "fewer sums", "one file more", "a link"]
)
def test_other_damage_is_seen(tmp_path: Path, damage: str) -> None:
    folder = made(tmp_path / "kept")
    sums = folder / sealed.CHECKSUMS
    if damage == "cut":
        (folder / "a.bin").write_bytes(CONTENTS["a.bin"][:-1])
    elif damage == "removed":
        (folder / "inner" / "b.json").unlink()
    elif damage == "no sums":
        sums.unlink()
    elif damage == "fewer sums":
        sums.write_text(sums.read_text().splitlines(keepends=True)[0])
    elif damage == "one file more":
        (folder / "c.bin").write_bytes(b"")
    elif damage == "a link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        sums.write_text("" if damage == "empty sums" else "00  nothing\n")
    assert not sealed.intact(folder)
    assert sealed.intact(made(folder))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_the_sums_are_those_of_coreutils(tmp_path: Path) -> None:
    folder = made(tmp_path / "kept")
    check = ["sha256sum", "--check", "--strict", "--quiet", sealed.CHECKSUMS]
    subprocess.run(check, cwd=folder, check=True)
    (folder / "a.bin").write_bytes(b"")
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 1


def test_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "one.bin"
    for data in (b"first", b"second"):
        with sealed.writing(file) as unfinished:
            unfinished.write_bytes(data)
        assert sealed.intact(file)
    file.write_bytes(b"secund")
    assert not sealed.intact(file)
    assert not list(tmp_path.iterdir())
    assert not sealed.intact(file)


def test_a_file_of_the_time_before_checksums_gets_its_own_once(tmp_path: Path) -> None:
    file = tmp_path / "one.bin"
    file.write_bytes(b"first")
    sealed.adopt(file)
    assert sealed.intact(file)
    file.write_bytes(b"secund")
    sealed.adopt(file)
    assert not sealed.intact(file)


def test_small_json(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    assert sealed.read_json(file) is None
    sealed.write_json(file, {"peak": [1, 2.5, None]})
    assert sealed.read_json(file) == {"peak": [1, 2.5, None]}
    kept = json.loads(file.read_text())
    for damaged in (json.dumps(kept | {"text": kept["text"].replace("1", "7")}), "[]", "{", "3", "[" * 100_000):
        file.write_text(damaged)
        assert sealed.read_json(file) is None
        assert not file.exists()


def test_a_sealed_folder_whose_file_was_changed_on_purpose_is_believed_again_and_only_there(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with sealed.building(folder) as unfinished:
        for name in ("weights", "notes", "draft"):
            (unfinished / name).write_text(name)
    (folder / "notes").write_text("other notes")
    (folder / "draft").unlink()
    sealed.reseal(folder, ("notes", "draft"))
    assert sealed.intact(folder)
    (folder / "weights").write_text("flipped")
    sealed.reseal(folder, ("notes",))
    assert not sealed.intact(folder)
    (tmp_path / "plain").mkdir()
    sealed.reseal(tmp_path / "plain", ("notes",))
    assert not list((tmp_path / "plain").iterdir())


def test_a_sound_thing_under_the_name_of_another_is_none_of_its_answers(tmp_path: Path) -> None:
    folder, file, kept = made(tmp_path / "one"), tmp_path / "one.bin", tmp_path / "one.json"
    with sealed.writing(file) as unfinished:
        unfinished.write_bytes(b"one")
    sealed.write_json(kept, {"is": "one"})
    shutil.copytree(folder, tmp_path / "two")
    for name in ("one.bin", "one.bin.sha256", "one.json"):
        shutil.copy(tmp_path / name, tmp_path / name.replace("one", "two"))
    assert not sealed.intact(tmp_path / "two")
    assert not sealed.intact(tmp_path / "two.bin")
    assert sealed.read_json(tmp_path / "two.json") is None
    assert not list(tmp_path.glob("two*.json")) and not (tmp_path / "two").exists()
    assert sealed.intact(folder) and sealed.intact(file) and sealed.read_json(kept) == {"is": "one"}


def test_a_home_may_move(tmp_path: Path) -> None:
    (tmp_path / "old" / "kind").mkdir(parents=True)
    folder, kept = made(tmp_path / "old" / "kind" / "key"), tmp_path / "old" / "kind" / "key.json"
    sealed.write_json(kept, 1)
    (tmp_path / "old").rename(tmp_path / "new")
    assert sealed.intact(tmp_path / "new" / folder.relative_to(tmp_path / "old"))
    assert sealed.read_json(tmp_path / "new" / "kind" / "key.json") == 1


def test_what_was_kept_before_sums_were_named_is_believed(tmp_path: Path) -> None:
    folder, kept = made(tmp_path / "kept"), tmp_path / "kept.json"
    sealed.write_json(kept, 1)
    sums = folder / sealed.CHECKSUMS
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[1:]))
    old = json.loads(kept.read_text())
    del old["name"]
    kept.write_text(json.dumps(old))
    assert sealed.intact(folder)
    assert sealed.read_json(kept) == 1
