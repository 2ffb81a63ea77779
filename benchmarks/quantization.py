"""Our quantization methods beside their peers: perplexity, bits per weight, seconds; same text, same calibration.

    python -m benchmarks.quantization [--bits 4 3 2] [--methods rtn gptq ...] [--peer llmcompressor=/venv/bin/python]

A peer runs in the Python environment it is given (`benchmarks/peers/NAME.py` there), writes the weights it chose as a
folder in hub layout, and is evaluated by us like everything else. Peers without an environment are skipped, and say so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.protocol import HEAD, Bench, Row, machine
from optlab.models import load
from optlab.recipes import Recipe

PEERS = {path.stem: path for path in (Path(__file__).parent / "peers").glob("[a-z]*.py")}
GROUP = 64
METHODS = ("rtn", "rtn mse", "hqq", "awq", "gptq", "gptq sequential", "signround")


def recipe(method: str, bits: int, group: int | None) -> Recipe:
    """`method` is a registered name, and after it words that change a default."""
    name, *words = method.split()
    changes: dict[str, dict[str, object]] = {"mse": {"clip": "mse"}, "sequential": {"sequential": True}}
    values: dict[str, object] = {"method": name, "bits": bits, "group_size": group}
    for word in words:
        values |= changes[word]
    return Recipe.from_dict({"steps": [{"quantize": values}]})


def peer(name: str, python: str, bits: int, group: int, bench: Bench) -> Row:
    """Run a peer in its own environment. Raises CalledProcessError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "calibration.json").write_text(json.dumps(bench.calibration()))
        command = [
            python, str(PEERS[name]), str(bench.model.folder), str(place / "calibration.json"), str(bits), str(group),
            str(place / "out"),
        ]  # fmt: skip
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        said = json.loads(done.stdout.splitlines()[-1])
        ppl = bench.ppl(load(str(place / "out"), "float32"))
    return Row(f"{said['version']}, {bits} bits", ppl, said["bits_per_weight"], said["seconds"], said["cpu_s"])


def main() -> None:
    """Print the table, a line as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantization")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 3, 2])
    parser.add_argument("--group", type=int, default=GROUP)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--peer", nargs="*", default=[], metavar="NAME=PYTHON", help=f"of {', '.join(PEERS)}")
    chosen = parser.parse_args()
    environments = dict(one.split("=", 1) for one in chosen.peer)
    if unknown := set(environments) - set(PEERS):
        parser.error(f"no peer is called {', '.join(sorted(unknown))}; use {', '.join(sorted(PEERS))}")
    bench = Bench()
    print(f"{machine()}\n\noriginal: perplexity {bench.ppl(bench.model):.3f}\n\n{HEAD}", flush=True)
    for bits in chosen.bits:
        for method in chosen.methods:
            row, _ = bench.measure(recipe(method, bits, chosen.group), f"{method}, {bits} bits")
            print(row, flush=True)
        for name, python in environments.items():
            print(peer(name, python, bits, chosen.group, bench), flush=True)
    for name in sorted(set(PEERS) - set(environments)):
        print(f"skipped {name}: no --peer {name}=PYTHON names an environment that has it")


if __name__ == "__main__":
    main()
