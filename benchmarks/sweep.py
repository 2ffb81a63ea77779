"""How long a sweep over methods and bits takes, beside a library that starts again for every recipe.

    python -m benchmarks.sweep [--peer /venv/bin/python]

24 recipes (rounding, HQQ, AWQ, GPTQ at 2, 3, 4, 5, 6, 8 bits), each applied to SmolLM2 and evaluated on 4096 tokens.
What the calibration text does to the model is computed once, by the first recipe that asks; nothing is taken from an
earlier run. The peer is llm-compressor's GPTQ (`benchmarks/peers`) in the environment it is given: the seconds that it
needs for a recipe, without loading and saving, and those of the same evaluation, for 3 recipes extrapolated to 24.
Processor seconds stand beside, because others may share the machine.
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


Cost = tuple[float, float]
"""Seconds, and seconds of all processors together."""


def now() -> Cost:
    """What this process has used so far."""
    return time.perf_counter(), time.process_time()


def since(began: Cost) -> Cost:
    """What was used from `began` on."""
    return time.perf_counter() - began[0], time.process_time() - began[1]


def ours(bench: Bench) -> Cost:
    """The cost of all recipes and their evaluations; prints a line for each."""
    began = now()
    for method in METHODS:
        for bits in BITS:
            row, _ = bench.measure(recipe(method, bits, GROUP), f"{method}, {bits} bits")
            print(row, flush=True)
    return since(began)


def theirs(bench: Bench, python: str, evaluation: Cost) -> Cost:
    """The cost of one recipe of the peer and its evaluation; prints a line for each."""
    rows = [peer(PEER, python, bits, GROUP, bench) for bits in PEER_BITS]
    print(*rows, sep="\n", flush=True)
    seconds, cpu = (sum(each) / len(rows) for each in zip(*((row.seconds, row.cpu_s) for row in rows), strict=True))
    return seconds + evaluation[0], cpu + evaluation[1]


def main() -> None:
    """Print a line per recipe, then the totals."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep")
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter of an environment with llmcompressor")
    chosen = parser.parse_args()
    bench = Bench(windows=TOKENS // CONTEXT)
    began = now()
    original = bench.ppl(bench.model)
    evaluation = since(began)
    print(f"{machine()}\n\noriginal: perplexity {original:.3f}, evaluated in {told(evaluation)}\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory() as empty:
        # Only now, with model and texts loaded: what a recipe computes must not be there already.
        os.environ["OPTLAB_HOME"] = empty
        total = ours(bench)
    each = total[0] / COUNT, total[1] / COUNT
    print(f"\n{COUNT} recipes with their evaluation: {told(total)}; {told(each)} per recipe", flush=True)
    if chosen.peer is None:
        print(f"skipped {PEER}: no --peer PYTHON names an environment that has it")
        return
    peers = theirs(bench, chosen.peer, evaluation)
    print(
        f"\npeer: {told(peers)} per recipe; {peers[0] / each[0]:.1f} times ours in seconds, "
        f"{peers[1] / each[1]:.1f} times in processor seconds"
    )


def told(cost: Cost) -> str:
    """Both kinds of seconds, for a person."""
    return f"{cost[0]:.1f} s ({cost[1]:.1f} processor seconds)"


if __name__ == "__main__":
    main()
