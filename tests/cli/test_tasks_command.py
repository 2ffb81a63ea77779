"""Tasks from the command line are runs in the store, asked once, with their paired statistics."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from optlab.results.tasks import Difference

RECIPE = "steps: [{quantize: {method: rtn, bits: 2, group_size: 64}}]"


def optlab(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "optlab", *arguments], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_a_binomial_test_of_the_flips(lost: int, won: int) -> None:
    told = Difference(score=0.0, ci95=None, lost=lost, won=won).mcnemar_p
    expected = binomtest(lost, lost + won, 0.5).pvalue if lost + won else 1.0
    assert told == pytest.approx(expected, abs=1e-12)


def test_tasks_are_listed_and_an_unknown_one_is_told() -> None:
    listed = optlab("tasks")
    assert "topics" in listed and "arXiv 1905.07830" in listed
    assert "there is no task 'chess'; there are topics, next_sentence" in optlab(
        "tasks", "nano", "--task", "chess", code=2)  # fmt: skip


@pytest.mark.slow
def test_both_are_asked_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    asked = ("tasks", "nano", "--recipe", str(recipe), "--task", "next_sentence", "--dtype", "float32")
    (result,) = json.loads(optlab(*asked, "--json")).values()
    base, candidate, delta = result["base"]["score"], result["candidate"]["score"], result["delta"]
    assert delta["score"] == pytest.approx(candidate - base)
    assert delta["won"] - delta["lost"] == round((candidate - base) * result["questions"])
    assert f"{base:.1%}" in optlab(*asked)
    (run,) = json.loads(optlab("runs", "list", "--kind", "tasks", "--json"))
    assert run["status"] == "done"
