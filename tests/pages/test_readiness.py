"""What the server has ready when it answers: the first page that is opened imports nothing and computes no table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pages.conftest import ROOT

FIRST_PAGE = """
import sys
from optlab.client import predictions
from pages.components.shared import readiness
from tests.pages.conftest import here, open_page

readiness.prepare()
assert "torch" not in sys.modules
loaded = set(sys.modules)

def refuse(*asked):
    raise AssertionError("a table was computed while the page waited")

predictions.table_of = refuse
for model in ("nano", "smollm2-135m"):
    app = open_page("explore", boxes=(), model=model, recipe='[{"quantize": {"bits": 3, "group_size": 64}}]')
    assert here(app, 3)["side"] == "predicted"
print(*(name for name in sys.modules if name not in loaded))
"""
OURS = ("optlab", "pages", "sqlalchemy", "alembic", "pydantic", "numpy", "scipy", "pandas", "plotly", "torch")


def test_the_first_page_imports_nothing_and_computes_no_table(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_PAGE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [name for name in done.stdout.split() if name.split(".")[0] in OURS] == []
    assert (home / "optlab.db").exists(), "the store was opened"


SERVER = """
import asyncio, sys
from app import app
from streamlit.runtime.pages_manager import PagesManager

events = ["lifespan.startup", "lifespan.shutdown"]

async def receive():
    return {"type": events.pop(0)}

async def send(message):
    print(message["type"], "pages.components.explore.curve" in sys.modules, PagesManager.uses_pages_directory)

asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
"""


def test_the_server_begins_to_answer_once_all_that_is_ready(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SERVER], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "lifespan.startup.complete True False" in done.stdout  # False: the first page is drawn once, with its frame
    assert (home / "optlab.db").exists()
