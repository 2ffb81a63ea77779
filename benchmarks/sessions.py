"""Many people at one dashboard: how long each waits after a knob has come to rest, and whether memory stays flat.

    python -m benchmarks.sessions [--sessions 20] [--rest 2.0] [--moves 20] [--reruns 1000]

Every session is a websocket to a real server on this machine, on Explore with nano, without a browser. In each a knob
is moved, the answer is waited for until the whole page is drawn anew, and after `--rest` seconds the next move comes
(0: at once, which no hand does). Nothing is measured meanwhile: no workers run. Then one session moves on `--reruns`
times, and the memory of the server is looked at on the way.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.protocol import machine
from benchmarks.tab import Tab, server_of
from optlab.client.client import Client
from optlab.store.store import Store
from tests.browser import serving
from tests.pages import samples

LOOKS = 5
"""Times that the memory is looked at during the long session."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rest", type=float, default=2.0, help="seconds between an answer and the next move")
    parser.add_argument("--moves", type=int, default=20, help="of each session")
    parser.add_argument("--reruns", type=int, default=1000, help="of the one session that goes on")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        samples.prepare(Client(Store(f"sqlite:///{folder}/optlab.db")))
        with serving.server(Path(folder), OPTLAB_NO_WORKERS="1") as (address, _):
            server = server_of(address)
            waited = together(address, chosen.sessions, chosen.moves, chosen.rest)
            middle, most = np.percentile(waited, [50, 95])
            print(
                f"{chosen.sessions} sessions, {len(waited)} moves, {chosen.rest:g} s between them: "
                f"median {middle:.2f} s, 95th percentile {most:.2f} s, worst {max(waited):.2f} s", flush=True,
            )  # fmt: skip
            with Tab(address, "explore") as tab:
                tab.until_drawn()
                for look in range(LOOKS + 1):
                    held = server.memory_info().rss / 1e6
                    print(f"{look * chosen.reruns // LOOKS:5} reruns: {held:.0f} MB", flush=True)
                    if look < LOOKS:
                        moves(tab, chosen.reruns // LOOKS, 0.0, random.Random(look))


def together(address: str, sessions: int, count: int, rest: float) -> list[float]:
    """Seconds of every answer."""
    waited: list[float] = []
    failed: list[BaseException] = []

    def one(number: int) -> None:
        try:
            with Tab(address, "explore") as tab:
                tab.until_drawn()
                drawn.wait()
                chance = random.Random(number)
                time.sleep(rest * chance.random())
                waited.extend(moves(tab, count, rest, chance))
        except BaseException as error:
            failed.append(error)
            drawn.abort()

    drawn = threading.Barrier(sessions)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return waited


def moves(tab: Tab, count: int, rest: float, chance: random.Random) -> list[float]:
    """Seconds from each move to the page drawn anew."""
    waited, bits = [], 4  # which the page opens with
    for _ in range(count):
        bits = chance.choice([one for one in tab.stops["bits"] if one not in (None, bits)])
        before, began = tab.query, time.monotonic()
        tab.turn(bits, chance.choice(tab.stops["sparsity"]))
        while tab.query == before:  # what ends first may have begun before the move
            tab.until_drawn()
        waited.append(time.monotonic() - began)
        if rest:
            tab.live(rest)
    return waited


if __name__ == "__main__":
    main()
