"""The command that serves the dashboard."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Annotated

import typer

from optlab import paths
from optlab.errors import OptLabError

PORT = 8501


def app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this computer.")] = PORT,
) -> None:
    """Serve the dashboard on this computer, from a checkout of the project."""
    script = paths.PACKAGE.parent / "app.py"
    if not script.is_file():
        raise OptLabError("the pages are not in this installation; clone the project and run `make app` there")
    if importlib.util.find_spec("streamlit") is None:
        raise OptLabError("the dashboard needs streamlit: pip install 'optlab[app]', or run `make app`")
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    raise typer.Exit(subprocess.run(command, cwd=script.parent, check=False).returncode)
