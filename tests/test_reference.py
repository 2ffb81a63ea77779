"""The reference in docs/ is what the declarations of methods and commands say."""

from __future__ import annotations

from optlab.methods import REGISTRY
from scripts import reference


def test_the_reference_is_up_to_date() -> None:
    assert reference.TARGET.read_text("utf-8") == reference.text(), "run `make reference`"


def test_it_names_every_method_and_every_command() -> None:
    written = reference.text()
    for kind in REGISTRY:
        for name in REGISTRY[kind]:
            assert f": {name}`" in written
    for command in ("measure", "predict", "frontier", "export", "runs list", "import"):
        assert f"### `optlab {command}`" in written
    assert "take-in" not in written
