"""What goes out comes back the same, nothing is overwritten, and a bad archive changes nothing."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optlab.client.client import Client
from optlab.errors import OptLabError
from optlab.report import archive
from optlab.store.store import Store
from tests.pages import samples


@pytest.fixture
def packed(client: Client) -> bytes:
    for bits in samples.MEASURED:
        samples.measured(client, bits)
    samples.failed(client)
    return archive.write(client.store.list())


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'other.db'}")


def rebuilt(data: bytes, change: Callable[[dict[str, bytes]], None], sign: bool = True) -> bytes:
    """The archive with other members; `sign` writes checksums that fit."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    if sign:
        manifest = json.loads(members[archive.MANIFEST])
        for name in manifest["files"]:
            manifest["files"][name]["sha256"] = hashlib.sha256(members[name]).hexdigest()
        members[archive.MANIFEST] = json.dumps(manifest).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return out.getvalue()


def with_run(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The archive with its first run changed and checksums that fit."""

    def alter(members: dict[str, bytes]) -> None:
        first, *rest = members[archive.RUNS].splitlines()
        run = json.loads(first)
        change(run)
        members[archive.RUNS] = b"\n".join([json.dumps(run).encode(), *rest]) + b"\n"

    return rebuilt(data, alter)


def test_runs_come_back_as_they_were(client: Client, packed: bytes, empty: Store) -> None:
    taken = archive.import_archive(packed, Client(empty))
    assert (taken.added, taken.known, taken.recipes) == (3, 0, 3)
    for original in client.store.list("measure", "done"):
        copy = empty.by_key(original.key)
        assert copy is not None
        assert (copy.spec_json, copy.result_json, copy.title) == (
            original.spec_json,
            original.result_json,
            original.title,
        )
        assert (copy.created, copy.started, copy.finished) == (original.created, original.started, original.finished)
    assert empty.counts()["done"] == 3  # the failed run and the preparation stayed at home


def test_taking_in_twice_duplicates_nothing(packed: bytes, empty: Store) -> None:
    archive.import_archive(packed, Client(empty))
    before = empty.list()
    assert archive.import_archive(packed, Client(empty)) == archive.Imported(0, 3, 3)
    assert empty.list() == before


def test_what_is_here_is_never_overwritten(client: Client, packed: bytes) -> None:
    before = client.store.list()

    def forge(run: dict[str, Any]) -> None:
        run["result"]["compressed"]["ppl"] = 1.0

    assert archive.import_archive(with_run(packed, forge), client).added == 0
    assert client.store.list() == before


def test_no_folder_of_weights_comes_along(client: Client, empty: Store) -> None:
    recipe = samples.quantized(4)
    run = client.submit_measure("nano", recipe, samples.Protocol())
    packed = samples.measurement(1.1, 5_000_000, 1.0, recipe).model_copy(update={"artefact": "/somewhere/weights"})
    samples.finish(client, run, packed)
    data = archive.write(client.store.list())
    assert b"/somewhere/weights" not in zipfile.ZipFile(io.BytesIO(data)).read(archive.RUNS)
    with pytest.raises(OptLabError, match="folder of weights"):
        archive.import_archive(with_run(data, lambda one: one["result"].update(artefact="/etc")), Client(empty))


def rename(members: dict[str, bytes]) -> None:
    members["../../etc/passwd"] = b"x"


def bomb(members: dict[str, bytes]) -> None:
    members[archive.RUNS] = b"\n" * (32 << 20)


def drop(members: dict[str, bytes]) -> None:
    del members[archive.RECIPES]


@pytest.mark.parametrize(
    ("change", "sign", "said"),
    [
        (rename, False, "a project holds"),
        (bomb, True, "unpacks to more"),
        (drop, False, "each of manifest.json, runs.jsonl, recipes.jsonl once"),
        (lambda members: members.update({"runs.jsonl": members["runs.jsonl"] + b" "}), False, "checksum"),
        (lambda members: members.update({"runs.jsonl": b"[" * 100_000}), True, "is not JSON"),
        (lambda members: members.update({"runs.jsonl": b"\xff\n"}), True, "is not JSON"),
        (lambda members: members.update({"runs.jsonl": members["runs.jsonl"] * 2}), True, "one run twice"),
    ],
    ids=["traversal", "bomb", "missing", "changed", "deep", "not text", "twice"],
)
def test_a_bad_archive_is_refused_whole(
    packed: bytes, empty: Store, change: Callable[[dict[str, bytes]], None], sign: bool, said: str
) -> None:
    with pytest.raises(OptLabError, match=said):
        archive.import_archive(rebuilt(packed, change, sign), Client(empty))
    assert empty.list() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: run.update(key="../x"), "64 hex digits"),
        (lambda run: run.update(kind="prepare"), "its kind is 'prepare'"),
        (lambda run: run.update(status="done"), "a run has the fields"),
        (lambda run: run["spec"].pop("model"), "MeasureSpec model"),
        (lambda run: run["spec"].update(recipe=[1]), "MeasureSpec recipe.*list of steps"),
        (lambda run: run["spec"]["protocol"].update(tokens="many"), "tokens"),
        (lambda run: run["result"].update(baseline=None), "Measurement baseline"),
        (lambda run: run["result"]["delta"].update(ppl_ratio="<b>"), "Measurement delta.ppl_ratio.*valid number"),
        (lambda run: run["result"].update(layers=[{"bits": 4}]), "Measurement layers.0.name"),
        (lambda run: run.update(finished=1e300), "is no date"),
    ],
)
def test_a_line_that_is_no_result_is_named(
    packed: bytes, empty: Store, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    with pytest.raises(OptLabError, match=f"line 1 of runs.jsonl: .*{said}") as caught:
        archive.import_archive(with_run(packed, change), Client(empty))
    assert "\n" not in str(caught.value)
    assert empty.list() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans())
def test_damage_is_told_or_harmless(packed: bytes, position: int, value: int, cut: bool) -> None:
    at = position % len(packed)
    damaged = packed[:at] if cut else packed[:at] + bytes([value]) + packed[at + 1 :]
    try:
        runs, _ = archive.read(damaged)
    except OptLabError:
        return
    assert [run.result_json for run in runs] == [run.result_json for run in archive.read(packed)[0]]


def test_an_archive_of_nothing_is_not_written(client: Client) -> None:
    with pytest.raises(OptLabError, match="measure something first"):
        archive.write(client.store.list())
