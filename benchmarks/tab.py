"""A tab without a browser: what several benchmarks open many of, on a real server."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any, Self

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

KNOBS = "knobs"
"""The part of the curve under the finger that tells Python where the knobs came to rest."""


class Tab:
    """It reads what the server sends, and asks for the parts that a page wants drawn again by itself, as often as the
    page said. drawn: how many runs of a page were finished. size: bytes that arrived. query: that of the address.
    stops: of the knobs of Explore."""

    def __init__(self, address: str, page: str) -> None:
        self.address, self.page, self.drawn, self.size = address, page, 0, 0
        self.every: dict[str, tuple[float, float]] = {}
        self.stops: dict[str, list[Any]] = {}
        self.knobs, self.hash, self.query = "", "", "model=nano"

    def __enter__(self) -> Self:
        host = self.address.removeprefix("http://")
        protocols: Any = ["streamlit"]
        self.socket = connect(f"ws://{host}/_stcore/stream", subprotocols=protocols, max_size=None).__enter__()
        self._ask()
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def live(self, seconds: float) -> None:
        """Be open for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for fragment, (interval, due) in list(self.every.items()):
                if now >= due:
                    self.every[fragment] = interval, now + interval
                    self._ask(fragment)
            due = min([end, *(due for _, due in self.every.values())])
            with suppress(TimeoutError):
                self._read(self._next(max(due - now, 0.01)))

    def until_drawn(self, patience: float = 30.0) -> None:
        """Read until a run of the whole page is finished. Raises TimeoutError."""
        while True:
            message = self._next(patience)
            self._read(message)
            finished = message.WhichOneof("type") == "script_finished"
            if finished and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return

    def turn(self, bits: int | None, sparsity: float) -> None:
        """The knobs of the curve come to rest, as its script tells it."""
        moved = {"bits": bits, "sparsity": sparsity, "temperature": None}
        asked = self._message()
        asked.rerun_script.widget_states.widgets.add(
            id=f"$$STREAMLIT_INTERNAL_KEY_{self.knobs}__events",
            json_trigger_value=json.dumps([{"event": "moved", "value": moved}]),
        )
        self.socket.send(asked.SerializeToString())

    def _next(self, patience: float) -> ForwardMsg:
        content = self.socket.recv(timeout=patience)
        self.size += len(content)
        return ForwardMsg.FromString(content)

    def _read(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            every = message.auto_rerun.interval
            self.every[message.auto_rerun.fragment_id] = every, time.monotonic() + every
        if kind == "navigation":
            self.hash = message.navigation.page_script_hash
        if kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        if kind == "delta":
            component = message.delta.new_element.bidi_component
            if component.component_name.endswith(KNOBS) and component.id != self.knobs:
                self.knobs = component.id
                drawn = json.loads(component.json)
                self.stops = {knob: [stop["value"] for stop in drawn[knob]["stops"]] for knob in ("bits", "sparsity")}
        self.drawn += kind == "script_finished"

    def _message(self) -> BackMsg:
        asked = BackMsg()
        asked.rerun_script.query_string = self.query
        if self.hash:
            asked.rerun_script.page_script_hash = self.hash
        else:
            asked.rerun_script.page_name = self.page
        return asked

    def _ask(self, fragment: str = "") -> None:
        asked = self._message()
        asked.rerun_script.fragment_id = fragment
        self.socket.send(asked.SerializeToString())


def server_of(address: str) -> psutil.Process:
    """The process that serves `address`."""
    port = address.rpartition(":")[2]
    found = [one for one in psutil.process_iter(["cmdline"]) if _serves(one.info["cmdline"] or [], port)]
    (server,) = found
    return server


def _serves(words: list[str], port: str) -> bool:
    return "streamlit" in words and port in words
