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


FINISHED = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
KEPT_RUNS = 2
"""A browser keeps a large message for so many runs, and tells the server that it need not be sent again."""


class Tab:
    """It reads what the server sends, and asks for the parts that a page wants drawn again by itself, as often as the
    page said. drawn: how many runs were finished, of a page or of a part. size: bytes that arrived. query: that of the
    address. stops: of the knobs of Explore; part: the part of the page in which they are. kept: large messages by
    their hashes, with the run that last had them."""

    def __init__(self, address: str, page: str) -> None:
        self.address, self.page, self.drawn, self.size, self.runs = address, page, 0, 0, 0
        self.every: dict[str, tuple[float, float]] = {}
        self.stops: dict[str, list[Any]] = {}
        self.kept: dict[str, int] = {}
        self.knobs, self.part, self.hash, self.query = "", "", "", "model=nano"

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
        """Read until a run of the page is finished, or of a part of it. Raises TimeoutError."""
        while True:
            message = self._next(patience)
            self._read(message)
            if message.WhichOneof("type") == "script_finished" and message.script_finished in FINISHED:
                return

    def turn(self, bits: int | None, sparsity: float) -> None:
        """The knobs of the curve come to rest, as its script tells it."""
        moved = {"bits": bits, "sparsity": sparsity, "temperature": None}
        asked = self._message(self.part)
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
        self.runs += kind == "new_session"
        if kind == "ref_hash" or message.metadata.cacheable:
            self.kept[message.ref_hash or message.hash] = self.runs
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
                self.knobs, self.part = component.id, message.delta.fragment_id
                drawn = json.loads(component.bytes)
                self.stops = {knob: [stop["value"] for stop in drawn[knob]["stops"]] for knob in ("bits", "sparsity")}
        self.drawn += kind == "script_finished"

    def _message(self, part: str) -> BackMsg:
        asked = BackMsg()
        asked.rerun_script.query_string = self.query
        asked.rerun_script.fragment_id = part
        self.kept = {hash: run for hash, run in self.kept.items() if run > self.runs - KEPT_RUNS}
        asked.rerun_script.cached_message_hashes.extend(self.kept)
        if self.hash:
            asked.rerun_script.page_script_hash = self.hash
        else:
            asked.rerun_script.page_name = self.page
        return asked

    def _ask(self, part: str = "") -> None:
        self.socket.send(self._message(part).SerializeToString())


def server_of(address: str) -> psutil.Process:
    """The process that serves `address`."""
    port = address.rpartition(":")[2]
    found = [one for one in psutil.process_iter(["cmdline"]) if _serves(one.info["cmdline"] or [], port)]
    (server,) = found
    return server


def _serves(words: list[str], port: str) -> bool:
    return "streamlit" in words and port in words
