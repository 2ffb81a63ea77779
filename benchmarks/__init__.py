"""Measured by hand: how good and how fast, beside the libraries that do the same. Results: docs/benchmarks.md."""

from optlab.machine.threads import wait_asleep

wait_asleep()
