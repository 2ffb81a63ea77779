"""Bytes on disk and bytes in memory: what the file system and the kernel say, not what arithmetic would."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from optlab.errors import Cancelled, MeasurementError, ModelError
from optlab.evaluation import environment
from optlab.evaluation.memory import own_peak, peak_memories, peak_memory
from optlab.evaluation.size import HEADERS, bytes_by_kind, bytes_by_tensor, weight_bytes
from tests.tiny import tiny_model_folder


def shards(folder: Path) -> Path:
    save_file({"model.a.weight_packed": torch.zeros(3, 8, dtype=torch.int32)}, folder / "model-1.safetensors")
    save_file(
        {
            "model.a.weight_scale": torch.zeros(3, dtype=torch.float16),
            "norm.weight": torch.zeros(5),
            "odd": torch.zeros(2),
        },
        folder / "model-2.safetensors",
    )
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("x" * 10_000)
    return folder


def test_size_is_that_of_the_weight_files_and_of_nothing_else(tmp_path: Path) -> None:
    shards(tmp_path)
    expected = sum(os.path.getsize(tmp_path / f"model-{i}.safetensors") for i in (1, 2))
    assert weight_bytes(tmp_path) == expected


def test_parts_add_up_to_the_whole(tmp_path: Path) -> None:
    sizes = bytes_by_tensor(shards(tmp_path))
    assert sizes["model.a.weight_packed"] == 96
    assert sizes["model.a.weight_scale"] == 6
    assert sizes[HEADERS] > 0
    assert sum(sizes.values()) == weight_bytes(tmp_path)


def test_scales_count_for_the_layer_they_belong_to(tmp_path: Path) -> None:
    kinds = bytes_by_kind(shards(tmp_path), {"model.a": "mlp.down", "norm": "norm"})
    assert kinds["mlp.down"] == 102
    assert kinds["norm"] == 20
    assert kinds["other"] == 8
    assert sum(kinds.values()) == weight_bytes(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights"):
        weight_bytes(tmp_path)


def test_own_peak_sees_a_large_array() -> None:
    before = own_peak()
    block = torch.ones(64 << 18)  # 64 MiB, every page touched
    after = own_peak()
    del block
    assert after >= before
    assert own_peak() == pytest.approx(after, rel=0.05)  # a peak does not fall


def test_peak_memory_is_that_of_another_process(tmp_path: Path) -> None:
    folder = tiny_model_folder("llama", tmp_path)
    seen: list[float] = []
    peak = peak_memory(folder, "float32", "cpu", lambda f, m, p=None: seen.append(f))
    assert 50 << 20 < peak < 4 << 30
    assert seen


def test_a_folder_that_cannot_be_loaded_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"nothing-here could not be measured: there is no model") as caught:
        peak_memory(tmp_path / "nothing-here", "float32")
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_cancel_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    original = subprocess.Popen

    def remember(*arguments: object, **options: object) -> subprocess.Popen:
        started.append(original(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)

    def stop(fraction: float, message: str, partial: dict | None = None) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        peak_memory(tmp_path, "float32", "cpu", stop)
    assert started[0].returncode is not None


def test_the_record_of_the_machine_needs_no_torch() -> None:
    code = (
        "import sys, json; from optlab.evaluation import environment as e; found = e.record(); "
        "assert 'torch' not in sys.modules; assert found.threads is None; json.dumps(found.to_dict()); "
        "assert found.versions['torch'] and found.processor; "
        "assert found.cores >= 1 and found.memory_bytes > 1e8"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_versions_are_those_that_are_imported() -> None:
    found = environment.versions()
    assert found["python"] == platform.python_version()
    assert str(torch.__version__).startswith(found["torch"].partition("+")[0])


def test_folders_are_measured_side_by_side_and_each_gets_its_own(tmp_path: Path) -> None:
    small = tiny_model_folder("llama", tmp_path / "small")
    large = tiny_model_folder("llama", tmp_path / "large", intermediate_size=1 << 17)
    more = weight_bytes(large) - weight_bytes(small)
    first, second = peak_memories([small, large], "float32")
    assert more > 50 << 20
    assert second - first > 0.7 * more
