"""The lock file is of the requirements as they are: each is in it, in the version that was asked for, with hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
TEXT = (ROOT / "requirements.lock").read_text(encoding="utf-8")
VERSIONS = {canonicalize_name(name): Version(version) for name, version in LOCKED.findall(TEXT)}


def required(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-"))]


@pytest.mark.parametrize("line", [*required("requirements.txt"), *required("requirements-dev.txt")])
def test_every_requirement_is_locked_in_a_version_that_satisfies_it(line: str) -> None:
    wanted = Requirement(line)
    assert wanted.specifier.contains(VERSIONS[canonicalize_name(wanted.name)], prereleases=True), "run `make lock`"


def test_every_locked_package_has_hashes_and_torch_needs_no_graphics_card() -> None:
    packages = re.split(r"^(?=[A-Za-z0-9])", TEXT, flags=re.MULTILINE)[1:]
    assert len(packages) == len(VERSIONS) > 50
    assert all("--hash=sha256:" in package for package in packages)
    assert VERSIONS["torch"].local == "cpu"
    assert not [name for name in VERSIONS if name.startswith("nvidia-")]
