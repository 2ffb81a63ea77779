"""Measured by hand: how good and how fast, beside the libraries that do the same. Results: docs/benchmarks.md."""

from optlab.threads import wait_asleep

wait_asleep()
