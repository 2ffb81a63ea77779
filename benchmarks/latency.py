"""Tokens per second of our formats and of other engines on this machine, in turns, in one run.

    python -m benchmarks.latency [--engines float32 bfloat16 int8 int4 ...] [--rounds 5]
        [--peer "llama.cpp, Q4_1" /venv/bin/python exported_loop.py llama.cpp model.gguf] [--peer ...]

Every round times every engine once: a prompt of 512 tokens, then 64 tokens greedily, batch 1. A peer is a name, the
Python that has it, one of the scripts in `benchmarks/peers_latency`, and what that script is given. Peers run in
processes of their own that wait for a line on stdin before each round, so that nobody computes at the same time. Let
nothing else run: on two cores a busy neighbour costs more than any format gains.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.protocol import MODEL, machine
from optlab.compression import compress
from optlab.kernels.limits import read_bandwidth
from optlab.kernels.runtime import Runtime, runtime
from optlab.machine.threads import PASSIVE
from optlab.models import load
from optlab.protocol import Protocol
from optlab.recipes import Recipe

PROMPT, NEW = 512, 64
HEAD = "lm_head"
PEERS = Path(__file__).parent / "peers_latency"
FORMATS: dict[str, list[dict[str, Any]]] = {
    "float32": [],
    "bfloat16": [],
    "int8": [{"quantize": {"bits": 8, "group_size": None, "symmetric": True}}],
    "int8-head8": [
        {"quantize": {"bits": 8, "group_size": None, "symmetric": True}},
        {"quantize": {"bits": 8, "group_size": None, "symmetric": True}, "layers": HEAD},
    ],
    "int4": [{"quantize": {"bits": 4, "group_size": 64}}],
    "int4-head8": [
        {"quantize": {"bits": 4, "group_size": 64}},
        {"quantize": {"bits": 8, "group_size": None, "symmetric": True}, "layers": HEAD},
    ],
    "int4-head4": [
        {"quantize": {"bits": 4, "group_size": 64}},
        {"quantize": {"bits": 4, "group_size": 64}, "layers": HEAD},
    ],
    "dynamic": [{"quantize": {"method": "dynamic"}}],
}
Round = Callable[[], tuple[float, list[float]]]
"""Seconds of the prompt, seconds of each new token."""


def own(one: Runtime, ids: list[int]) -> Round:
    def run() -> tuple[float, list[float]]:
        one.reset()
        began = time.perf_counter()
        token = int(one.prefill(ids).argmax())
        prompt, times = time.perf_counter() - began, []
        for _ in range(NEW):
            began = time.perf_counter()
            token = int(one.decode(token).argmax())
            times.append(time.perf_counter() - began)
        return prompt, times

    return run


def elsewhere(python: str, script: str, *arguments: str, ids: list[int]) -> Round:
    """An engine in another process: it answers every line on stdin with a line of JSON.

    Its threads wait as its authors chose, and not asleep as ours do: llama.cpp loses half of its speed to that.
    """
    environment = {name: value for name, value in os.environ.items() if name not in PASSIVE}
    process = subprocess.Popen(
        [python, str(PEERS / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    given, answers = process.stdin, process.stdout

    def run() -> tuple[float, list[float]]:
        given.write(json.dumps({"ids": ids, "new": NEW}) + "\n")
        given.flush()
        said = json.loads(answers.readline())
        return said["prompt_s"], said["token_s"]

    return run


def main() -> None:
    """Print one line for each engine: medians and the spread over all rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency")
    parser.add_argument("--engines", nargs="*", default=list(FORMATS))
    parser.add_argument("--peer", nargs="+", action="append", default=[], metavar="NAME PYTHON SCRIPT ARGUMENT")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    scripts = sorted(path.name for path in PEERS.glob("*.py"))
    if wrong := next((peer for peer in chosen.peer if len(peer) < 3 or peer[2] not in scripts), None):
        parser.error(f"--peer {' '.join(wrong)}: give NAME PYTHON SCRIPT ARGUMENT, with SCRIPT one of {scripts}")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = load(MODEL, "float32")
    ids = model.tokenizer.encode(" ".join(["The quick brown fox jumps over the lazy dog."] * 100))[:PROMPT]
    eager = elsewhere(sys.executable, "transformers_loop.py", str(model.folder), ids=ids)
    rounds: dict[str, Round] = {"transformers bfloat16, eager": eager}
    sizes: dict[str, int] = {}
    for name in chosen.engines:
        made = compress(model, Recipe.from_dict({"steps": FORMATS[name]}), Protocol(calibration_tokens=1024))
        one = runtime(made, "float32" if name == "float32" else "bfloat16")
        rounds[f"OptLab {name}"] = own(one, ids)
        known = [getattr(one, name, 0) for name in ("bytes_per_token", "bytes_per_position")]
        sizes[f"OptLab {name}"] = known[0] + known[1] * (PROMPT + NEW // 2)
    for name, python, script, *arguments in chosen.peer:
        rounds[name] = elsewhere(python, script, *arguments, ids=ids)
    prompts: dict[str, list[float]] = {name: [] for name in rounds}
    tokens: dict[str, list[float]] = {name: [] for name in rounds}
    bandwidth = 0.0
    for number in range(chosen.rounds + 1):
        for name, run in rounds.items():
            prompt, times = run()
            if number:  # the first round warms up
                prompts[name].append(prompt)
                tokens[name].append(float(np.median(times)))
        bandwidth = max(bandwidth, read_bandwidth() or float("nan"))
        print(f"round {number} of {chosen.rounds}", file=sys.stderr, flush=True)
    print(f"{machine()}, memory read at {bandwidth / 1e9:.1f} GB/s\n")
    print("| engine | decode tokens/s (rounds) | prefill tokens/s | MB per token | of memory speed |")
    print("|---|---|---|---|---|")
    for name in rounds:
        speed = 1 / np.array(tokens[name])
        share = sizes.get(name, 0) * float(np.median(speed)) / bandwidth
        print(
            f"| {name} | {np.median(speed):.0f} ({', '.join(f'{s:.0f}' for s in speed)}) "
            f"| {len(ids) / np.median(prompts[name]):.0f} | {f'{sizes[name] / 1e6:.0f}' if share else ''} "
            f"| {f'{share:.0%}' if share else ''} |"
        )


if __name__ == "__main__":
    main()
