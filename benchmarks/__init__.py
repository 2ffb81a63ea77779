"""Measurements by hand: how good, how fast, beside the libraries that do the same; results in docs/benchmarks.md."""
