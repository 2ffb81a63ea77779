"""A report on paper: the browser that is on this machine prints it.

A browser is the only program that draws Plotly's charts as they are on the screen, so that no second renderer (with a
hundred megabytes of fonts and text shaping) has to be installed for it. Where there is none, the sentence says what to
do instead: every browser prints the HTML.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from optlab.errors import OptLabError
from optlab.messages import say

CHROMIUM = "OPTLAB_CHROMIUM"
"""Environment variable that names the browser to print with."""
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "brave-browser",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
TIMEOUT_S = 120.0
WIDTH = 728
"""Pixels of the window: the width of the paper without its margins, so that charts are drawn as wide as they print."""


def browser() -> str | None:
    """The program that can print, or None."""
    named = os.environ.get(CHROMIUM)
    if named:
        return shutil.which(named)
    found = (shutil.which(name) for name in (*BROWSERS, *PLACES))
    return next((path for path in found if path), None)


def pdf(html: str) -> bytes:
    """`html` printed on A4. Raises OptLabError where there is no Chromium or it does not print."""
    program = browser()
    if program is None:
        raise OptLabError(
            "a PDF is printed by Chromium or Chrome and none was found ({chromium} names one); open the HTML "
            "report in any browser and print it instead",
            chromium=CHROMIUM,
        )
    with tempfile.TemporaryDirectory(prefix="optlab-report-") as folder:
        page, out = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_text(html, encoding="utf-8")
        command = [
            program, "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync",
            "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},1000", "--virtual-time-budget=20000",
            "--no-pdf-header-footer", f"--print-to-pdf={out}",
        ]  # fmt: skip
        if sys.platform != "win32" and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium does not start as root with it; the page is our own and offline
        try:
            done = subprocess.run([*command, page.as_uri()], capture_output=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OptLabError(
                "{program} did not print the report ({name}); print the HTML",
                program=program,
                name=error.__class__.__name__,
            ) from None
        if done.returncode != 0 or not out.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise OptLabError(
                "{program} did not print the report: {said}",
                program=program,
                said=said[-1] if said else say("it said nothing"),
            )
        return out.read_bytes()
