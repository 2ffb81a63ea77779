"""A real server with real workers, and a real Chromium: what the browser tests and the screenshots both need."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.client.client import Client
from optlab.store.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("OPTLAB_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
"""No request may leave this machine: a page that needs the internet must fail here, not at a user's."""
STARTING_S = 60.0
PAGES = {name: f"/{name}" for name in sorted(path.stem for path in (ROOT / "pages").glob("*.py")) if name != "__init__"}
"""Name of each page -> its path in an address."""
AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]'
"""The app once nothing of a page is left to be computed."""


def missing() -> str:
    """Why there can be no browser here; '' when there can."""
    if not Path(CHROMIUM).exists():
        return f"{CHROMIUM} is not installed; OPTLAB_CHROMIUM names another"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "the package playwright is not installed"
    return ""


@contextmanager
def server(home: Path, *arguments: str, script: str = "app.py", **given: str) -> Iterator[tuple[str, Client]]:
    """The address of an app of its own, and the client of its store. Raises RuntimeError when it does not start.

    arguments: of `streamlit run`. given: environment variables.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environment = {**os.environ, "OPTLAB_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    environment.pop("OPTLAB_STORE", None)
    environment.pop("OPTLAB_NO_WORKERS", None)
    environment |= given
    with (home / "app.log").open("wb") as output:
        app = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), *arguments],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            await_health(address, app)
            yield address, Client(Store(f"sqlite:///{home / 'optlab.db'}"))
        finally:
            app.terminate()
            try:
                app.wait(10)
            except subprocess.TimeoutExpired:
                app.kill()
                app.wait()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def await_health(address: str, app: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING_S
    while time.monotonic() < deadline and app.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start within {STARTING_S:.0f} s; see app.log in its home")
