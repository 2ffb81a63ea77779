"""What `pip wheel .` makes is the whole library: installed elsewhere, it measures nano without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, source = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("source") / "optlab"
    # from a copy: setuptools leaves a folder `build` behind, from which it would take files that are no more
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if name.startswith(("optlab/", "assets/")) or "/" not in name:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(source), "-w", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("optlab-*.whl")
    return made


def test_a_wheel_holds_sources_of_the_kernels_nano_a_text_and_the_catalogs(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    kernels = {f"optlab/kernels/native/{file.name}" for file in (ROOT / "optlab/kernels/native").glob("*.[ch]*")}
    assets = {f"optlab/assets/nano/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")}
    others = {"optlab/py.typed", "optlab/assets/texts/shakespeare.zip", "optlab/assets/locale/zh/LC_MESSAGES/optlab.mo"}
    assert kernels
    assert kernels | assets | others <= names
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "optlab").rglob("*.py")}
    assert modules <= names
    assert not [name for name in names if name.startswith(("tests/", "pages/", "build/"))]


def test_ranges_for_those_who_install_it_admit_what_the_project_is_tested_with(wheel: Path) -> None:
    from packaging.requirements import Requirement

    metadata = ZipFile(wheel).read(next(name for name in ZipFile(wheel).namelist() if name.endswith("METADATA")))
    lines = metadata.decode().splitlines()
    wanted = [Requirement(line.split(":", 1)[1]) for line in lines if line.startswith("Requires-Dist:")]
    needed = pins("requirements.txt")
    pinned = pins("requirements-dev.txt") | needed
    assert wanted
    assert set(needed) <= {one.name.lower() for one in wanted} <= set(pinned)
    assert [str(one) for one in wanted if pinned[one.name.lower()] not in one.specifier] == []


def pins(name: str) -> dict[str, str]:
    """Package -> version, of a list at the top."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if "==" in line and not line.startswith("#")]
    return {name.lower(): version.strip() for name, version in (line.split("==") for line in lines)}


def test_installed_elsewhere_it_measures(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "tested.pth").write_text(sysconfig.get_path("purelib"))  # torch and the rest need not be installed again
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (tmp_path / "r.yaml").write_text("steps: [quantize: {bits: 4, group_size: 64}]")
    command = [str(tmp_path / "venv" / "bin" / "optlab"), "measure", "nano", "--recipe", "r.yaml", "--tokens", "1024",
               "--no-latency", "--json"]  # fmt: skip
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=surroundings | {"OPTLAB_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["compressed"]["size_bytes"] < 0.6 * found["baseline"]["size_bytes"]
    assert 1.0 < found["delta"]["ppl_ratio"] < 1.1
    where = [str(python), "-c", "import optlab; print(optlab.__file__)"]
    assert str(site) in subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
