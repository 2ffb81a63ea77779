"""How long a sweep over methods and bits takes, beside a library that starts again for every recipe.

    python -m benchmarks.sweep [--peer /venv/bin/python]

24 recipes (rounding, HQQ, AWQ, GPTQ at 2, 3, 4, 5, 6, 8 bits), each applied to SmolLM2 and evaluated on 4096 tokens.
What the calibration text does to the model is computed once, by the first recipe that asks; nothing is taken from an
earlier run. The peer is llm-compressor's GPTQ (`benchmarks/peers`) in the environment it is given: the seconds that it
needs for a recipe, without loading and saving, and those of the same evaluation, for 3 recipes extrapolated to 24.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from benchmarks.protocol import CONTEXT, HEAD, Bench, machine
from benchmarks.quantization import GROUP, peer, recipe

METHODS = ("rtn", "hqq", "awq", "gptq")
BITS = (2, 3, 4, 5, 6, 8)
COUNT = len(METHODS) * len(BITS)
TOKENS = 4096
PEER = "llmcompressor_gptq"
PEER_BITS = (2, 3, 4)


def ours(bench: Bench) -> float:
    """Seconds of all recipes and their evaluations; prints a line for each."""
    began = time.perf_counter()
    for method in METHODS:
        for bits in BITS:
            row, _ = bench.measure(recipe(method, bits, GROUP), f"{method}, {bits} bits")
            print(row, flush=True)
    return time.perf_counter() - began


def theirs(bench: Bench, python: str, evaluation: float) -> float:
    """Seconds of one recipe of the peer and its evaluation; prints a line for each."""
    rows = [peer(PEER, python, bits, GROUP, bench) for bits in PEER_BITS]
    print(*rows, sep="\n", flush=True)
    return sum(row.seconds for row in rows) / len(rows) + evaluation


def main() -> None:
    """Print a line per recipe, then the totals."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep")
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter of an environment with llmcompressor")
    chosen = parser.parse_args()
    bench = Bench(windows=TOKENS // CONTEXT)
    began = time.perf_counter()
    original = bench.ppl(bench.model)
    evaluation = time.perf_counter() - began
    print(f"{machine()}\n\noriginal: perplexity {original:.3f}, evaluated in {evaluation:.1f} s\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as empty:
        # Only now, with model and texts loaded: what a recipe computes must not be there already.
        os.environ["OPTLAB_HOME"] = empty
        total = ours(bench)
    print(f"\n{COUNT} recipes with their evaluation: {total:.0f} s, {total / COUNT:.1f} s per recipe", flush=True)
    if chosen.peer is None:
        print(f"skipped {PEER}: no --peer PYTHON names an environment that has it")
        return
    each = theirs(bench, chosen.peer, evaluation)
    print(f"\npeer: {each:.1f} s per recipe, {each * COUNT:.0f} s for {COUNT}: {each * COUNT / total:.1f} times ours")


if __name__ == "__main__":
    main()
