"""A client whose model was probed, for the tests of whatever shows predictions."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlab.client.client import Client
from optlab.prediction.state import place_of
from optlab.store.store import Store
from tests.pages import samples
from tests.prediction import states


def probed_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of an empty home below `tmp_path` that knows nano, which was probed."""
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    made = Client(Store())
    samples.prepare(made)
    states.with_anchors(states.state(blocks=2), 1.3).save(place_of("f" * 64))
    return made
