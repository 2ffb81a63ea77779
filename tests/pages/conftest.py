"""Pages under AppTest: a cache folder of their own, no workers, and a store that a test fills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from optlab import paths
from optlab.client.client import Client
from optlab.store.store import Store
from pages.components.explore import layers_view
from pages.components.shared.folded import PREFIX
from tests.pages import samples

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("OPTLAB_HOME", str(folder))
    monkeypatch.delenv("OPTLAB_STORE", raising=False)
    monkeypatch.setenv("OPTLAB_NO_WORKERS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # no page reads weights, so that files of the right names are a model as far as pages can tell
    nano = tmp_path / "assets" / "nano"
    nano.mkdir(parents=True)
    (nano / "config.json").write_text("{}")
    (nano / "model.safetensors").write_bytes(b"")
    for name in ("curve", "first", "journey", "teaching", "lessons", "theme.css", "explore.css", "wordmark.svg"):
        (tmp_path / "assets" / name).symlink_to(paths.ASSETS / name)
    monkeypatch.setattr(paths, "ASSETS", tmp_path / "assets")
    return folder


@pytest.fixture
def client(home: Path) -> Client:
    return Client(Store())


@pytest.fixture
def prepared(client: Client) -> Client:
    """A client that knows nano."""
    samples.prepare(client)
    return client


BOXES = ("about", "address", "advanced", "figures", "history")
"""Those of all pages that are worked out when they are opened."""


def open_page(
    name: str | None = None, boxes: tuple[str, ...] = BOXES, shown: str | None = None, part: str | None = None,
    **query: Any,
) -> AppTest:  # fmt: skip
    """The app with its frame, or one page of it, after its first run; nano unless the query says otherwise. boxes:
    those that are open. shown: the tab that is open on the page; part: of Layers."""
    app = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=30)
    for box in boxes:
        app.session_state[f"{PREFIX}{box}"] = True
    if shown is not None:
        app.session_state[f"{name}/view/en"] = shown
    if part is not None:
        app.session_state[layers_view.KEY] = part
    for key, value in {"model": "nano", **query}.items():
        app.query_params[key] = value
    if name is not None:
        app.switch_page(f"pages/{name}.py")
    return well(app.run())


def well(app: AppTest) -> AppTest:
    """`app`, which shows no exception."""
    assert not app.exception, [(e.value, list(e.stack_trace)) for e in app.exception]
    return app


def mounted(app: AppTest, part: str) -> Any:
    """One of the three parts of the curve; None where it is not drawn."""
    return next((one.proto for one in app.get("bidi_component") if one.proto.component_name.endswith(part)), None)


def curve_of(app: AppTest) -> Any:
    """What the curve under the finger was told to draw; None where no knobs can show the recipe."""
    found = mounted(app, "knobs")
    drawn = json.loads(found.bytes) if found is not None else None
    return drawn if drawn and drawn["cells"] else None


def standing(app: AppTest) -> Any:
    """What the strip says of the recipe on the page, before a knob moves."""
    return json.loads(mounted(app, "tiles").json)["cell"]


def here(app: AppTest, bits: int | None, sparsity: float = 0.0) -> Any:
    """The cell of the curve at a stop of its knobs."""
    drawn = curve_of(app)
    row, column = (
        [stop["value"] for stop in drawn[knob]["stops"]].index(value)
        for knob, value in (("bits", bits), ("sparsity", sparsity))
    )
    return drawn["cells"][row * len(drawn["sparsity"]["stops"]) + column]


def turn(app: AppTest, bits: int | None, sparsity: float = 0.0, temperature: float | None = None) -> AppTest:
    """The knobs of the curve come to rest somewhere, as its script tells it.

    AppTest has no hand for components; this sends what a browser sends.
    """
    states = app._tree.get_widget_states()
    moved = {"bits": bits, "sparsity": sparsity, "temperature": temperature}
    states.widgets.add(
        id=f"$$STREAMLIT_INTERNAL_KEY_{mounted(app, 'knobs').id}__events",
        json_trigger_value=json.dumps([{"event": "moved", "value": moved}]),
    )
    return well(app._run(states))


def parameter(app: AppTest, name: str) -> str:
    """A part of the address."""
    given = app.query_params[name]
    return given if isinstance(given, str) else given[0]


def words(app: AppTest) -> str:
    """Everything that a person can read on the page."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "code")
    parts = [element.value for kind in kinds for element in app.get(kind) if hasattr(element, "value")]
    parts += [f"{metric.label} {metric.value}" for metric in app.metric]
    if mounted(app, "tiles") is not None:
        cell = standing(app)
        parts += [
            cell["verdict"],
            *(tile[part] for tile in cell["tiles"] for part in ("headline", "detail", "interval")),
        ]
    return "\n".join(str(part) for part in parts)
