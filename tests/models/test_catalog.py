"""Every way to name a model ends in a folder or in one sentence that says what would work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab import paths
from optlab.errors import Cancelled, ModelError
from optlab.models import hub
from optlab.models.catalog import catalog, locate, ready_folder, resolve

Tiny = Callable[[str], Path]


def test_the_catalog_offers_a_real_model_and_a_tiny_one() -> None:
    cards = {card.name: card for card in catalog()}
    assert list(cards) == ["smollm2-135m", "nano"]
    assert cards["smollm2-135m"].default_text == "bbc-news"
    assert "Q4_1" in str(cards["smollm2-135m"].checkpoint_note)
    assert cards["nano"].checkpoint_note is None


def test_a_folder_is_itself_however_it_is_spelled(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny("llama")
    assert resolve(str(folder)) == ready_folder(str(folder)) == folder
    monkeypatch.chdir(folder.parent)
    assert resolve(folder.name) == folder
    assert resolve(f"{folder}/../{folder.name}") == folder


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "no-such-model", "../../etc/passwd", "a/../b", "owner/..", "a/b/c", "x" * 5000, "a\0b",
     "~nobody-here/x", "missing.gguf", "folder/missing.gguf", "/proc/1/mem", "http://example.org/model", "ünï/cödé",
     "-rf/x"],
)  # fmt: skip
def test_a_name_that_means_nothing_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@given(name=st.text(max_size=30))
def test_any_text_is_found_or_refused(name: str) -> None:
    try:
        found = locate(name)
    except ModelError:
        return
    assert found is None or found.exists()


def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"a folder in hub layout or a \.gguf file"):
        resolve(str(tmp_path / "model.bin"))


def test_a_folder_with_only_a_gguf_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"it holds m\.gguf: give that file instead"):
        resolve(str(tmp_path))


def test_nano_that_is_not_trained_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "ASSETS", tmp_path)
    with pytest.raises(ModelError, match="make nano"):
        resolve("nano")


def test_a_package_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.models.catalog.importlib.metadata.files", lambda package: None)
    with pytest.raises(ModelError, match="pip install"):
        resolve("smollm2-135m")


def test_offline_a_hub_id_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE forbids downloading"):
        resolve("owner/name-that-is-not-here")
    assert ready_folder("owner/name-that-is-not-here") is None


def test_without_a_network_a_hub_id_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **keywords: object) -> str:
        raise ConnectionError("cannot resolve huggingface.co")

    monkeypatch.setattr(hub, "offline", lambda: False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ModelError, match="check the network"):
        resolve("owner/name")


def test_a_cached_hub_id_needs_no_network(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_local(*_: object, local_files_only: bool = False, **__: object) -> str:
        assert local_files_only
        return str(tiny("llama"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", only_local)
    assert resolve("owner/name") == ready_folder("owner/name") == tiny("llama")


def test_a_download_reports_bytes_asks_for_no_pickle_and_can_be_cancelled(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(hub_id: str, *, local_files_only: bool = False, tqdm_class: type | None = None, **asked: list[str]) -> str:
        if local_files_only:
            raise FileNotFoundError
        assert not [p for p in asked["allow_patterns"] if p.endswith((".bin", ".py", ".pt")) or p in ("*", "*.*")]
        assert tqdm_class is not None
        with tqdm_class(total=100, unit="B") as bar:
            bar.update(30)
            bar.update(70)
        return str(tiny("llama"))

    monkeypatch.setattr(hub, "offline", lambda: False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    seen: list[float] = []
    assert resolve("owner/name", lambda fraction, message, partial=None: seen.append(fraction)) == tiny("llama")
    assert seen[-2:] == [0.3, 1.0]

    def stop(fraction: float, message: str, partial: object = None) -> None:
        if fraction > 0:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        resolve("owner/name", stop)
