"""The benchmark of a graphics card ends on a processor too, with a tiny shape, and says that it timed none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")


def test_it_prints_its_table_on_a_processor(tmp_path: object) -> None:
    asked = ["--device", "cpu", "--shapes", "tiny", "--solve", "tiny", "--methods", "gptq"]
    asked += ["--prompt", "4", "--new", "1", "--no-quality"]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *asked], capture_output=True, text=True, check=False,
        env={**os.environ, "TRITON_INTERPRET": "1", "OPTLAB_HOME": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("a processor, ")
    rows = [line.strip("| ").split(" | ") for line in run.stdout.splitlines() if line.startswith("| ")]
    found = {row[0]: row[1] for row in rows if len(row) == 2}
    assert found["nano in float32, greedy text of 1 tokens"].startswith("the same")
    assert {"tiny, launch by launch", "tiny, one graph", "tiny, one graph, 4 bits", "tiny, gptq"} <= set(found)
    assert found["tiny, peak device memory while decoding"] == "not counted"
