"""Threads wait asleep unless the environment says otherwise, and do so before torch reads it."""

import os
import subprocess
import sys

from optlab.machine.threads import PASSIVE, wait_asleep


def test_what_the_environment_says_stays(monkeypatch):
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    monkeypatch.setattr(os, "environ", environment)
    wait_asleep()
    assert environment == {**PASSIVE, "OMP_WAIT_POLICY": "ACTIVE"}


def test_the_command_line_waits_asleep_before_torch_is_there():
    script = (
        "import os, runpy, sys; sys.argv = ['optlab', '--help']\n"
        "try: runpy.run_module('optlab', run_name='__main__')\n"
        "except SystemExit: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    clean = {name: value for name, value in os.environ.items() if name not in PASSIVE}
    done = subprocess.run([sys.executable, "-c", script], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "PASSIVE False"
