"""The shell of the dashboard opens at once because nothing it imports loads torch."""

import json
import subprocess
import sys

import pytest

TORCH_FREE = [
    "optlab", "optlab.recipes", "optlab.methods", "optlab.protocol", "optlab.models", "optlab.models.catalog",
    "optlab.models.describe", "optlab.texts.names", "optlab.store.store", "optlab.client.client",
    "optlab.client.predictions", "optlab.predict.predictor", "optlab.predict.frontier", "optlab.predict.ledger",
    "optlab.workers.supervisor", "optlab.figures", "optlab.cli.main",
]  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter after `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", TORCH_FREE)
def test_importing_what_pages_import_does_not_load_torch(name: str) -> None:
    modules = loaded_after(f"import {name}")
    assert "optlab" in modules
    assert not modules & {"torch", "transformers"}


def test_drawing_every_knob_does_not_load_torch() -> None:
    modules = loaded_after(
        "from optlab.methods import REGISTRY, method\n"
        "for kind in REGISTRY:\n"
        "    for name in REGISTRY[kind]:\n"
        "        found = method(kind, name)\n"
        "        found.describe(found.check({}))\n"
        "        assert found.parameters and found.title and found.summary and found.source\n"
    )
    assert "torch" not in modules
