"""On a real server: what moves in the body of Explore draws the body alone; what the sidebar names draws everything."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.tab import Tab
from optlab.client.client import Client
from optlab.models.catalog import catalog
from optlab.store.store import Store
from pages.components.shared.view import NEWCOMERS
from tests.browser import serving
from tests.pages import samples


class Reader(Tab):
    """seen: how many messages of each kind came. buttons: ids by the end of their key."""

    def __init__(self, address: str, page: str) -> None:
        super().__init__(address, page)
        self.seen: Counter[str] = Counter()
        self.buttons: dict[str, tuple[str, str]] = {}

    def press(self, key: str) -> None:
        id, part = next(found for name, found in self.buttons.items() if name.endswith(key))
        asked = self._message(part)
        asked.rerun_script.widget_states.widgets.add(id=id, trigger_value=True)
        self.socket.send(asked.SerializeToString())

    def _read(self, message: ForwardMsg) -> None:
        super()._read(message)
        self.seen[str(message.WhichOneof("type"))] += 1
        button = message.delta.new_element.button
        if button.id:
            self.buttons[button.id] = (button.id, message.delta.fragment_id)


def test_a_knob_draws_the_body_and_another_model_draws_everything(tmp_path: Path) -> None:
    samples.prepare(Client(Store(f"sqlite:///{tmp_path / 'optlab.db'}")))
    with serving.server(tmp_path, OPTLAB_NO_WORKERS="1") as (address, _), Reader(address, "explore") as tab:
        tab.until_drawn()
        assert tab.seen["navigation"] == 1
        before = tab.query
        tab.turn(3, 0.5)
        tab.until_drawn()
        assert tab.query != before
        assert "bits%22%3A+3" in tab.query or "bits%22%3A3" in tab.query
        assert tab.seen["navigation"] == 1
        tab.press("models/other")
        while tab.seen["navigation"] == 1:
            tab.until_drawn()
        other = next(one.name for one in catalog() if one.name != NEWCOMERS)
        assert f"model={other}" in tab.query
