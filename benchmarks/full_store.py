"""How the pages bear a full store: each page's time with few and with many runs, and what an idle tab costs.

    python -m benchmarks.full_store [--few 50] [--many 5000] [--seconds 20]

Pages are run as a server runs them, without a browser (Streamlit's AppTest), the second time of each, so that what is
read once is read. The idle tab is a websocket to a real server with workers, on Runs, that asks for nothing; its share
of a core is the processor time of the server, without its workers, over the time. The measurements are made by their
types, with the layers of a small model: nothing is timed but the pages.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from benchmarks.tab import Tab, server_of
from optlab.client.client import Client
from optlab.jobs.measure import MEASURE
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.measurement import MeasureSpec
from optlab.store.run import Run, Status
from optlab.store.store import Store
from tests.browser import serving
from tests.pages import samples

PAGES = ("explore", "find_best", "distill", "compare", "learn", "runs", "playground")
TIMES = 3
SETTLING_S = 6.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--few", type=int, default=50)
    parser.add_argument("--many", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=20.0, help="for which the idle tab is looked at")
    options = parser.parse_args()
    pages: dict[int, dict[str, float]] = {}
    for count in (options.few, options.many):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            home = Path(folder)
            os.environ |= {"OPTLAB_HOME": folder, "OPTLAB_NO_WORKERS": "1", "HF_HUB_OFFLINE": "1"}
            took = filled(count)
            size = (home / "optlab.db").stat().st_size / 1e6
            print(f"{count} runs: imported in {took:.1f} s, {size:.0f} MB", flush=True)
            pages[count] = {name: page_s(name) for name in PAGES}
            share = idle_share(home, options.seconds)
            print(f"{count} runs: an idle tab on Runs takes {share:.1%} of a core", flush=True)
    print(f"\n{'page':12} {options.few:>8} {options.many:>8} runs   seconds, median of {TIMES}")
    for name in PAGES:
        few, many = pages[options.few][name], pages[options.many][name]
        print(f"{name:12} {few:8.3f} {many:8.3f}   {many / few:5.2f} times")


def filled(count: int) -> float:
    """A store with a prepared model and so many finished measurements of it, each of a recipe of its own; returns the
    seconds of importing those."""
    client = Client(Store())
    samples.prepare(client)
    runs = [measured(client, number) for number in range(count)]
    began = time.monotonic()
    client.adopt(runs)
    return time.monotonic() - began


def measured(client: Client, number: int) -> Run:
    """A finished measurement as it comes from elsewhere."""
    subject = client.subject("nano", Protocol())
    step = Step("prune", "magnitude", {"sparsity": (number + 1) / 10_000})
    recipe = Recipe((*samples.quantized(4).steps, step))
    spec = MeasureSpec(model=subject.model, recipe=recipe, protocol=subject.protocol)
    result = samples.measurement(1.0 + number / 10_000, 4_000_000 + number * 1000, 1.0 + number / 5_000, recipe)
    made = 1.8e9 + number
    return Run(
        id=0, key=MEASURE.key(spec, subject.weights[0]), kind=MEASURE.name, status=Status.DONE,
        spec_json=spec.to_json(), result_json=result.to_json(), title=MEASURE.title(spec), created=made,
        started=made, finished=made + 30, progress=1.0, worker="elsewhere",
    )  # fmt: skip


def page_s(name: str) -> float:
    """Median seconds of a page that was seen before."""
    taken = []
    for _ in range(TIMES + 1):
        app = AppTest.from_file(str(serving.ROOT / "dashboard.py"), default_timeout=300)
        app.query_params["model"] = "nano"
        app.switch_page(f"pages/{name}.py")
        began = time.monotonic()
        app.run()
        taken.append(time.monotonic() - began)
        assert not app.exception, app.exception
    return statistics.median(taken[1:])


def idle_share(home: Path, seconds: float) -> float:
    """Share of a core that a server takes with one tab open on Runs in which nobody does anything."""
    with serving.server(home, OPTLAB_NO_WORKERS="") as (address, _), Tab(address, "runs") as tab:
        tab.live(SETTLING_S)
        server = server_of(address)
        before, began = server.cpu_times(), time.monotonic()
        tab.live(seconds)
        after, took = server.cpu_times(), time.monotonic() - began
        assert tab.drawn, "the page was never drawn"
    return (after.user + after.system - before.user - before.system) / took


if __name__ == "__main__":
    main()
