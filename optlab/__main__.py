"""Entry of `python -m optlab` and of the console script `optlab`."""

import sys

from optlab.machine.threads import wait_asleep


def run() -> int:
    """Run the command line; returns the exit code. Threads learn how to wait before torch can be imported."""
    wait_asleep()
    from optlab.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
