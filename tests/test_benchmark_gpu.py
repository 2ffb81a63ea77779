"""The benchmarks of a graphics card end on a processor too, with a tiny shape, and say that they timed none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")


def printed(tmp_path: object, *asked: str) -> str:
    """What `python -m` prints for a module and its options."""
    run = subprocess.run(
        [sys.executable, "-m", *asked], capture_output=True, text=True, check=False,
        env={**os.environ, "TRITON_INTERPRET": "1", "OPTLAB_HOME": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def rows(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.slow
def test_it_prints_its_table_on_a_processor(tmp_path: object) -> None:
    asked = ["--device", "cpu", "--shapes", "tiny", "--solve", "tiny", "--methods", "gptq"]
    text = printed(tmp_path, "benchmarks.gpu", *asked, "--prompt", "4", "--new", "1", "--no-quality")
    assert text.startswith("a processor, ")
    found = {row[0]: row[1] for row in rows(text) if len(row) == 2}
    assert found["nano in float32, greedy text of 1 tokens"].startswith("the same")
    assert {"tiny, launch by launch", "tiny, one graph", "tiny, one graph, 4 bits", "tiny, gptq"} <= set(found)
    assert found["tiny, peak device memory while decoding"] == "not counted"


def test_every_cut_of_a_product_has_a_row(tmp_path: object) -> None:
    asked = ["--device", "cpu", "--shapes", "32x64", "--bits", "16", "4"]
    found = rows(printed(tmp_path, "benchmarks.gpu_products", *asked))[1:]
    assert [row[0] for row in found] == [
        "32x64, 16 bits, norm",
        "32x64, 16 bits",
        "32x64, 4 bits, norm",
        "32x64, 4 bits",
    ]
    assert [row[1].split(",")[0] for row in found] == 2 * ["threads"] + 2 * ["tensor cores"]
